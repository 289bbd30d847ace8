//! By which way somebody reached the daemon.

use serde::{Deserialize, Serialize};

/// What somebody used. All but [`Channel::Classic`] are what the caller says, and prove nothing:
/// whoever may call at all may claim each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A person at a terminal.
    Terminal,
    /// A person at one of the daemon's pages.
    Page,
    /// A program that decides by rules.
    Policy,
    /// Anything else that speaks the contract.
    Api,
    /// The classic routes.
    Classic,
}

impl Channel {
    /// The word for it, in the API and in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Page => "page",
            Self::Policy => "policy",
            Self::Api => "api",
            Self::Classic => "classic",
        }
    }

    /// The channel that a caller claims with this word; every word that cannot be claimed is
    /// [`Channel::Api`].
    pub fn claimed(word: &str) -> Self {
        [Self::Terminal, Self::Page, Self::Policy]
            .into_iter()
            .find(|channel| channel.as_str() == word)
            .unwrap_or(Self::Api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_claimed_is_the_api() {
        assert_eq!(Channel::claimed("page"), Channel::Page);
        for word in ["", "api", "classic", "Page", " page", "pages", "\u{1b}[2J"] {
            assert_eq!(Channel::claimed(word), Channel::Api, "{word}");
        }
    }

    #[test]
    fn a_channel_is_kept_as_its_word() {
        for channel in [
            Channel::Terminal,
            Channel::Page,
            Channel::Policy,
            Channel::Api,
            Channel::Classic,
        ] {
            let kept = serde_json::to_string(&channel).unwrap();
            assert_eq!(kept, format!("\"{}\"", channel.as_str()));
        }
    }
}
