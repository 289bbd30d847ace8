//! Which daemon the clients talk to and as whom: from flags, variables, and the configuration file.
//!
//! The file is `pushd/config.toml` in the configuration directory (XDG Base Directory
//! Specification), with a table for each daemon:
//!
//! ```toml
//! [prod]
//! url = "https://pushd.example"
//! token_file = "prod.token"
//!
//! [team]
//! urls = ["https://a.example", "https://b.example"]
//! ```

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use etcetera::BaseStrategy as _;
use serde::Deserialize;

use super::flags::DaemonFlags;
use crate::client::{Authorities, Client, DaemonUrl, DaemonUrls, Secret, TransportError};
use crate::limits;

/// The variable with the token itself.
const TOKEN: &str = "PUSHD_TOKEN";
/// The variable with the file that has it, as in [`DaemonFlags::token_file`].
const TOKEN_FILE: &str = "PUSHD_TOKEN_FILE";
/// The profile of whoever names none.
const DEFAULT: &str = "default";

/// A daemon, or several that share a store, and who we are to it.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Where it is, by one address at least, in the order in which they are tried.
    pub urls: Vec<DaemonUrl>,
    token: Option<Secret>,
    ca_cert: Option<PathBuf>,
    /// Where all this was found.
    pub origins: Origins,
}

/// Where what is known of a daemon was found, in words for a person. No secret is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// The file and the table in it, if there is one.
    pub profile: Option<String>,
    /// What names the URLs.
    pub url: &'static str,
    /// What has the token, if there is one.
    pub token: Option<String>,
}

impl Daemon {
    /// All addresses, for messages.
    pub fn names(&self) -> String {
        let names: Vec<_> = self.urls.iter().map(DaemonUrl::to_string).collect();
        names.join(" or ")
    }

    /// Those on the way to which others can read the token.
    pub fn tells_its_token_to(&self) -> impl Iterator<Item = &DaemonUrl> {
        let in_the_clear = self.urls.iter().filter(|url| url.is_in_the_clear());
        in_the_clear.filter(|_| self.token.is_some())
    }

    /// The same daemon by each of its addresses alone.
    pub fn each(self) -> impl Iterator<Item = (DaemonUrl, Self)> {
        let urls = self.urls.clone();
        urls.into_iter().map(move |url| {
            let urls = vec![url.clone()];
            (
                url,
                Self {
                    urls,
                    ..self.clone()
                },
            )
        })
    }

    /// A client of it; `program` goes into the `User-Agent`.
    ///
    /// # Errors
    /// The file of certificates cannot be used, or TLS is needed and cannot be set up.
    pub fn client(self, program: &'static str) -> Result<Client, TransportError> {
        let authorities = self.ca_cert.as_deref().map(Authorities::read).transpose()?;
        Client::trusting(self.urls, authorities, self.token.as_ref(), program)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    url: Option<String>,
    urls: Option<Vec<String>>,
    token: Option<String>,
    token_file: Option<PathBuf>,
    ca_cert: Option<PathBuf>,
}

impl DaemonFlags {
    /// Puts together what flags, variables and the configuration file say. A token that would go
    /// over a network in the clear is warned of on standard error.
    ///
    /// # Errors
    /// A file is missing, wrong, or for others to read; or flags and profile name two daemons.
    pub fn resolve(self) -> anyhow::Result<Daemon> {
        let base = etcetera::base_strategy::Xdg::new().ok();
        let folder = base.map(|base| base.config_dir().join("pushd"));
        let variables = Variables {
            token: env::var(TOKEN).ok().filter(|token| !token.is_empty()),
            token_file: env::var_os(TOKEN_FILE).map(PathBuf::from),
        };
        let daemon = resolve(self, variables, folder.as_deref())?;
        for url in daemon.tells_its_token_to() {
            // With nowhere to print to there is nobody to warn.
            drop(writeln!(
                io::stderr(),
                "pushd: {url} is not https, so others on the way can read the token"
            ));
        }
        Ok(daemon)
    }
}

/// What the environment says of tokens, which may have been meant for another daemon.
#[derive(Debug, Default)]
struct Variables {
    token: Option<String>,
    /// The flag has it as well, unless another file was named on the command line.
    token_file: Option<PathBuf>,
}

impl Variables {
    /// The name of the variable that says who we are, if one does.
    fn speaking(&self, flags: &DaemonFlags) -> Option<&'static str> {
        match &flags.token_file {
            Some(file) => (self.token_file.as_ref() == Some(file)).then_some(TOKEN_FILE),
            None => self.token.as_ref().map(|_| TOKEN),
        }
    }
}

fn resolve(
    flags: DaemonFlags,
    variables: Variables,
    folder: Option<&Path>,
) -> anyhow::Result<Daemon> {
    let (found, profile) = profile(flags.profile.as_deref(), folder)?;
    let has_url = profile.url.is_some() || profile.urls.is_some();
    let its_urls = its_urls(profile.url, profile.urls)?;
    let named = DaemonUrls::all(flags.url.iter().cloned());
    let is_named = !named.is_empty();
    // What a profile says is about its own daemon, and so never goes to another.
    let foreign = named.iter().find(|url| !its_urls.contains(url));
    if let (Some(name), Some(url)) = (&flags.profile, foreign) {
        let its: Vec<_> = its_urls.iter().map(DaemonUrl::to_string).collect();
        let its = its.join(" or ");
        bail!(
            "--url {url} is not the url of the profile {name}, which is {its}; leave one of \
             them out (PUSHD_URL and PUSHD_PROFILE count as well)"
        );
    }
    let is_its_own = foreign.is_none();
    let urls = if is_named { named } else { its_urls };
    if urls.len() > limits::URLS {
        let (count, most) = (urls.len(), limits::URLS);
        bail!("{count} URLs of daemons are given, at most {most} are taken");
    }
    let has_its_own = profile.token.is_some() || profile.token_file.is_some();
    let speaking = variables.speaking(&flags);
    if let (Some(name), Some(variable), true) = (&flags.profile, speaking, has_its_own) {
        bail!(
            "{variable} is set, and the profile {name} has a token of its own; leave one of them out, \
             so that neither goes to a daemon that it is not for"
        );
    }
    let its = |path: Option<PathBuf>| {
        let folder = folder.unwrap_or(Path::new(""));
        path.filter(|_| is_its_own).map(|path| beside(folder, path))
    };
    let (token, holder) = match (flags.token_file, variables.token) {
        (Some(path), _) => (Some(read_token(&path)?), Some(shown(&path))),
        (None, Some(token)) => {
            let token = token.parse().with_context(|| TOKEN.to_owned())?;
            (Some(token), Some(TOKEN.to_owned()))
        }
        (None, None) => match (its(profile.token_file), profile.token) {
            (Some(path), _) => (Some(read_token(&path)?), Some(shown(&path))),
            (None, Some(token)) if is_its_own => {
                let token = token.parse().context("the profile's token")?;
                (Some(token), Some("the profile".to_owned()))
            }
            (None, _) => (None, None),
        },
    };
    let origins = Origins {
        profile: found,
        url: match (is_named, has_url) {
            (true, _) => "as --url or PUSHD_URL says",
            (false, true) => "as the profile says",
            (false, false) => "the default",
        },
        token: holder,
    };
    Ok(Daemon {
        ca_cert: flags.ca_cert.or(its(profile.ca_cert)),
        urls,
        token,
        origins,
    })
}

/// The addresses in a profile, or the default one.
fn its_urls(url: Option<String>, urls: Option<Vec<String>>) -> anyhow::Result<Vec<DaemonUrl>> {
    let texts = match (url, urls) {
        (Some(_), Some(_)) => bail!("the profile has url and urls; leave one of them out"),
        (Some(url), None) => vec![url],
        (None, Some(urls)) if urls.is_empty() => {
            bail!("the profile's urls name none; write urls = [\"https://a\", \"https://b\"]")
        }
        (None, Some(urls)) => urls,
        (None, None) => return Ok(vec![DaemonUrl::default()]),
    };
    let read = |text: &String| text.parse().context("the profile's url");
    let lists = texts.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(DaemonUrls::all(lists))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The named profile, which has to be there; or the default one, which need not. Where it was found
/// comes first.
fn profile(name: Option<&str>, folder: Option<&Path>) -> anyhow::Result<(Option<String>, Profile)> {
    let Some(file) = folder.map(|folder| folder.join("config.toml")) else {
        if let Some(name) = name {
            bail!("--profile {name}: there is no home directory to look for it in");
        }
        return Ok((None, Profile::default()));
    };
    let shown = file.display();
    let text = match read_private(&file) {
        Ok(text) => text,
        Err(error) if is_missing(&error) => match name {
            None => return Ok((None, Profile::default())),
            Some(name) => bail!("--profile {name}: there is no file {shown}"),
        },
        Err(error) => return Err(error),
    };
    let profiles: Result<BTreeMap<String, Profile>, _> = toml_edit::de::from_str(&text);
    // The message would show the line, which may have a token in it.
    let mut profiles = profiles.map_err(|error| {
        let line = error.span().map(|span| line_of(&text, span.start));
        let line = line
            .map(|line| format!(", line {line}"))
            .unwrap_or_default();
        anyhow::anyhow!("{shown}{line}: {}", error.message())
    })?;
    let names: Vec<_> = profiles.keys().cloned().collect();
    let table = name.unwrap_or(DEFAULT);
    match (profiles.remove(table), name) {
        (Some(profile), _) => Ok((Some(format!("[{table}] of {shown}")), profile)),
        (None, None) => Ok((None, Profile::default())),
        (None, Some(name)) => bail!(
            "--profile {name}: {shown} has no such table; it has: {}",
            names.join(", ")
        ),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

/// A path in the configuration file: from the home directory with `~/`, or from the file's folder.
fn beside(folder: &Path, path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), etcetera::home_dir()) {
        (Ok(rest), Ok(home)) => home.join(rest),
        (_, _) => folder.join(path),
    }
}

fn read_token(path: &Path) -> anyhow::Result<Secret> {
    let text = read_private(path)?;
    text.parse().with_context(|| format!("{}", path.display()))
}

fn is_missing(error: &anyhow::Error) -> bool {
    let source = error.downcast_ref::<io::Error>();
    source.is_some_and(|source| source.kind() == io::ErrorKind::NotFound)
}

/// Reads a file that nobody but its owner can read or write.
fn read_private(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let about = fs::metadata(path).with_context(|| format!("cannot read {shown}"))?;
    let mode = about.permissions().mode() & 0o7777;
    if about.is_file() && mode & 0o077 != 0 {
        bail!("{shown} can be read or written by others (mode {mode:o}); chmod 600 {shown}");
    }
    if about.len() > limits::CONFIG_BYTES as u64 {
        let most = limits::CONFIG_BYTES;
        bail!("{shown} has {} bytes, at most {most} are read", about.len());
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn new(config: &str) -> Self {
            let home = Self(tempfile::tempdir().unwrap());
            home.write("config.toml", config, 0o600);
            home
        }

        fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
            let path = self.0.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }

        /// URL, whether there is a token, and the certificates, or the error.
        fn resolve(
            &self,
            flags: &DaemonFlags,
            token: Option<&str>,
        ) -> Result<(String, bool, Option<PathBuf>), String> {
            let variables = Variables {
                token: token.map(str::to_owned),
                token_file: None,
            };
            let daemon = resolve(flags.clone(), variables, Some(self.0.path()));
            daemon
                .map(|daemon| (daemon.names(), daemon.token.is_some(), daemon.ca_cert))
                .map_err(|error| format!("{error:#}"))
        }
    }

    fn flags(url: Option<&str>, profile: Option<&str>) -> DaemonFlags {
        DaemonFlags {
            url: url.map(|url| url.parse().unwrap()).into_iter().collect(),
            token_file: None,
            profile: profile.map(str::to_owned),
            ca_cert: None,
        }
    }

    const CONFIG: &str = "[default]\nurl = \"https://a\"\ntoken = \"secret\"\n\
        [prod]\nurl = \"https://b\"\ntoken_file = \"b.token\"\nca_cert = \"/ca.pem\"\n";

    #[test]
    fn a_profile_says_where_and_who_and_its_token_goes_nowhere_else() {
        let home = Home::new(CONFIG);
        home.write("b.token", "other\n", 0o600);
        let found = |url, profile| home.resolve(&flags(url, profile), None);
        assert_eq!(found(None, None), Ok(("https://a".to_owned(), true, None)));
        assert_eq!(
            found(None, Some("prod")),
            Ok(("https://b".to_owned(), true, Some("/ca.pem".into())))
        );
        assert_eq!(
            found(Some("https://c"), None),
            Ok(("https://c".to_owned(), false, None))
        );
        assert_eq!(
            found(Some("https://a"), None),
            Ok(("https://a".to_owned(), true, None))
        );
        let two = found(Some("https://c"), Some("prod")).unwrap_err();
        assert!(two.contains("leave one of them out"), "{two}");
        let both = home
            .resolve(&flags(None, Some("prod")), Some("word"))
            .unwrap_err();
        assert!(both.contains("a token of its own"), "{both}");
        let none = found(None, Some("test")).unwrap_err();
        assert!(none.contains("default, prod"), "{none}");
    }

    #[test]
    fn several_addresses_are_of_one_profile_and_share_its_token() {
        let home = Home::new(
            "[default]\nurls = [\"https://a\", \"https://b\"]\ntoken = \"secret\"\n\
             [both]\nurl = \"https://a\"\nurls = [\"https://b\"]\n[none]\nurls = []\n",
        );
        let found = |url, profile| home.resolve(&flags(url, profile), None);
        for (named, names, has_token) in [
            (None, "https://a or https://b", true),
            (Some("https://b"), "https://b", true),
            (Some("https://b,https://a"), "https://b or https://a", true),
            // One that the profile does not name, and nobody learns its token.
            (Some("https://b https://c"), "https://b or https://c", false),
        ] {
            assert_eq!(found(named, None), Ok((names.to_owned(), has_token, None)));
        }
        let two = found(Some("https://a,https://c"), Some("default")).unwrap_err();
        assert!(two.contains("--url https://c is not"), "{two}");
        let both = found(None, Some("both")).unwrap_err();
        assert!(both.contains("url and urls"), "{both}");
        let none = found(None, Some("none")).unwrap_err();
        assert!(none.contains("name none"), "{none}");
        let many: Vec<_> = (0..=limits::URLS).map(|n| format!("http://h{n}")).collect();
        let many = found(Some(&many.join(",")), None).unwrap_err();
        assert!(many.contains("at most"), "{many}");
    }

    #[test]
    fn flags_go_before_variables_and_those_before_the_profile() {
        let home = Home::new("[default]\ntoken_file = \"missing\"\n");
        let ours = home.resolve(&flags(None, None), Some("word"));
        assert_eq!(ours, Ok((DaemonUrl::DEFAULT.to_owned(), true, None)));
        let mut named = flags(None, None);
        named.token_file = Some(home.write("token", "two words", 0o600));
        let error = home.resolve(&named, Some("word")).unwrap_err();
        assert!(
            error.contains("no token in it") && !error.contains("two"),
            "{error}"
        );
        let error = home.resolve(&flags(None, None), None).unwrap_err();
        assert!(error.contains("missing"), "{error}");
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let home = Home::new(CONFIG);
        home.write("config.toml", CONFIG, 0o640);
        let error = home.resolve(&flags(None, None), None).unwrap_err();
        assert!(error.contains("chmod 600"), "{error}");
        home.write("config.toml", "", 0o600);
        let mut named = flags(None, None);
        named.token_file = Some(home.write("token", "word", 0o604));
        let error = home.resolve(&named, None).unwrap_err();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told_by_its_line_and_not_shown() {
        let home = Home::new("[prod]\nurl = \"https://b\"\ntokn = \"secret-word\"\n");
        let error = home.resolve(&flags(None, None), None).unwrap_err();
        assert!(
            error.contains("line 3") && error.contains("tokn"),
            "{error}"
        );
        assert!(!error.contains("secret-word"), "{error}");
        let missing = Home(tempfile::tempdir().unwrap());
        let none = missing.resolve(&flags(None, None), None);
        assert_eq!(none, Ok((DaemonUrl::DEFAULT.to_owned(), false, None)));
        let error = missing.resolve(&flags(None, Some("x")), None).unwrap_err();
        assert!(error.contains("there is no file"), "{error}");
    }
}
