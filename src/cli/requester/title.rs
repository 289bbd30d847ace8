//! The title of a request that was given none.

use crate::domain::text::is_line_break;
use crate::limits;

/// Characters of a user's and of a host's name that a title keeps.
const NAME_CHARS: usize = 48;

/// "Approval asked by USER@HOST in DIR", of what this process can find out.
pub(super) fn default_title() -> String {
    let directory = std::env::current_dir().map_or_else(
        |_| "a directory that is gone".to_owned(),
        |path| path.to_string_lossy().into_owned(),
    );
    compose(&user(), &host(), &directory)
}

/// The name of the user whose rights this process has.
pub(super) fn user() -> String {
    whoami::username().unwrap_or_else(|_| "somebody".to_owned())
}

/// The name of this machine.
pub(super) fn host() -> String {
    whoami::hostname().unwrap_or_else(|_| "somewhere".to_owned())
}

/// One line of at most [`limits::TITLE_CHARS`] characters; a long directory keeps its end, which
/// says more than its beginning.
fn compose(user: &str, host: &str, directory: &str) -> String {
    let name = |name: &str| one_line(name).chars().take(NAME_CHARS).collect::<String>();
    let title = format!("Approval asked by {}@{} in ", name(user), name(host));
    let directory = one_line(directory);
    let room = limits::TITLE_CHARS - title.chars().count();
    let surplus = directory.chars().count().saturating_sub(room);
    if surplus == 0 {
        return title + &directory;
    }
    let end: String = directory.chars().skip(surplus + 1).collect();
    format!("{title}…{end}")
}

fn one_line(text: &str) -> String {
    let replaced = |c| if is_line_break(c) { '\u{fffd}' } else { c };
    text.chars().map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Title;

    #[test]
    fn it_says_who_and_where() {
        assert_eq!(
            compose("ana", "build7", "/srv/shop"),
            "Approval asked by ana@build7 in /srv/shop"
        );
    }

    #[test]
    fn a_long_directory_keeps_its_end() {
        let title = compose("ana", "build7", &format!("/{}/shop", "x".repeat(300)));
        assert_eq!(title.chars().count(), limits::TITLE_CHARS);
        assert!(
            title.contains(" in …x") && title.ends_with("x/shop"),
            "{title}"
        );
    }

    #[test]
    fn this_process_has_a_title() {
        assert!(Title::new(default_title()).is_ok());
    }

    proptest! {
        #[test]
        fn it_is_always_a_title(user: String, host: String, directory in "(?s).{0,400}") {
            let title = compose(&user, &host, &directory);
            prop_assert!(Title::new(title.clone()).is_ok(), "{title:?}");
        }
    }
}
