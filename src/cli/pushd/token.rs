//! `pushd token create`, `list` and `revoke`.

use std::io::Write as _;
use std::time::Duration;

use anyhow::anyhow;

use super::flags::{CreateFlags, ListFlags, RevokeFlags, TokenCommand};
use super::{Failure, OrExit as _};
use crate::cli::exit;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::{Role, TopicPattern};
use crate::principals::{self, EditError, Edited, Entry, NewToken};
use crate::terminal::{qr, style::Look};
use crate::wire::rfc3339;

/// Does what the command line says.
pub(super) fn run(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Create(flags) => create(flags),
        TokenCommand::List(flags) => list(&flags),
        TokenCommand::Revoke(flags) => revoke(&flags),
    }
}

/// The token alone goes to standard output, so that a script can put it where it belongs.
fn create(flags: CreateFlags) -> Result<(), Failure> {
    let page = match (flags.qr, flags.public_url) {
        (false, _) => None,
        (true, Some(url)) => Some(url),
        (true, None) => {
            let why = anyhow!("--qr: say where a phone reaches the daemon, with --public-url URL");
            return Err(Failure(exit::USAGE, why));
        }
    };
    let now = SystemClock::new().now();
    let topics = if flags.topics.is_empty() {
        vec![TopicPattern::new(TopicPattern::ALL).expect("it is a pattern")]
    } else {
        flags.topics
    };
    let new = NewToken {
        name: flags.name,
        roles: flags.roles,
        topics,
        expires: flags.expires.map(|life| now.after(life)),
        replace: flags.replace,
    };
    let file = flags.file.tokens;
    let (token, edited) = principals::create(&file, &new, now).map_err(failure)?;
    let begun = match edited {
        Edited::Begun => format!("{} is new; start pushd with --tokens\n", file.display()),
        Edited::Changed => String::new(),
    };
    tell(&format!(
        "{begun}This is the only time that the token of {} is shown:\n",
        new.name
    ));
    let shown = writeln!(std::io::stdout(), "{}", token.expose());
    shown.or_exit(exit::CANNOT_CREATE)?;
    if let Some(page) = page {
        let link = format!("{}#token={}", page.join("/login"), token.expose());
        // It may be meant for a picture, so it does not ask how much room there is.
        let rows = qr::rows(&link, Look::of_process(), (usize::MAX, usize::MAX));
        let rows = rows.unwrap_or_default().join("\n");
        tell(&format!("{rows}\n{link}\n"));
    }
    Ok(())
}

fn list(flags: &ListFlags) -> Result<(), Failure> {
    let entries = principals::list(&flags.file.tokens).or_exit(exit::CONFIGURATION)?;
    let now = SystemClock::new().now();
    let line = |entry: &Entry| {
        if flags.json {
            return serde_json::to_string(entry).expect("an entry has text keys");
        }
        let expires = match entry.expires {
            None => String::new(),
            Some(at) if at <= now => format!(", expired {}", rfc3339(at)),
            Some(at) => format!(", expires {}", rfc3339(at)),
        };
        let roles: Vec<_> = entry.roles.iter().copied().map(Role::as_str).collect();
        let (roles, topics) = (roles.join(","), entry.topics.join(" "));
        format!("{}: {roles} on {topics}{expires}", entry.name)
    };
    let text: String = entries.iter().map(|entry| line(entry) + "\n").collect();
    let shown = std::io::stdout().write_all(text.as_bytes());
    shown.or_exit(exit::CANNOT_CREATE)
}

fn revoke(flags: &RevokeFlags) -> Result<(), Failure> {
    principals::revoke(&flags.file.tokens, &flags.name).map_err(failure)?;
    let within = humantime::format_duration(Duration::from_secs(1));
    tell(&format!(
        "{} has no token any more; running daemons know it within {within}\n",
        flags.name
    ));
    Ok(())
}

fn failure(error: EditError) -> Failure {
    let code = match &error {
        EditError::Name(_) | EditError::Exists(_) | EditError::Missing { .. } => exit::USAGE,
        EditError::File(_) => exit::CONFIGURATION,
        EditError::Random(_) => exit::INTERNAL,
        EditError::Write { .. } => exit::CANNOT_CREATE,
    };
    Failure(code, error.into())
}

/// For the person at the terminal.
fn tell(text: &str) {
    drop(std::io::stderr().write_all(text.as_bytes()));
}
