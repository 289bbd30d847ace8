use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

const LANGUAGES: [&str; 3] = ["en", "zh-hans", "zh-hant"];

fn text(name: &str) -> &'static str {
    std::str::from_utf8(&FILES[name].body).unwrap()
}

fn sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    let texts = FILES.iter().filter(|(_, file)| file.media != "image/png");
    texts.map(|(name, _)| (*name, text(name)))
}

/// The texts of one language: the part of its module that is JSON.
fn words(language: &str) -> BTreeMap<String, Value> {
    let module = text(match language {
        "en" => "words-en.js",
        "zh-hans" => "words-zh-hans.js",
        _ => "words-zh-hant.js",
    });
    let (_, json) = module.split_once("export default ").unwrap();
    let json = json.trim_end().strip_suffix(';').unwrap();
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{language}: {error}"))
}

/// The places for values in a text, and in each of its plurals the same.
fn places(text: &Value) -> BTreeSet<String> {
    let forms: Vec<_> = if let Some(text) = text.as_str() {
        vec![text.to_owned()]
    } else {
        let forms = text.as_object().unwrap();
        assert!(forms.contains_key("other"), "{forms:?}");
        let forms = forms.values().map(|form| form.as_str().unwrap());
        forms.map(str::to_owned).collect()
    };
    let of = |form: &String| -> BTreeSet<String> {
        let parts = form.split('{').skip(1);
        parts
            .map(|part| part.split_once('}').unwrap().0.to_owned())
            .collect()
    };
    assert!(forms.iter().all(|form| !form.trim().is_empty()), "{text}");
    let all: Vec<_> = forms.iter().map(of).collect();
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    all.into_iter().next().unwrap()
}

#[test]
fn every_text_is_there_in_all_languages_with_the_same_values() {
    let english = words("en");
    assert!(english.len() > 100, "{}", english.len());
    for language in LANGUAGES {
        let words = words(language);
        let keys = |words: &BTreeMap<String, Value>| -> BTreeSet<String> {
            words.keys().cloned().collect()
        };
        assert_eq!(keys(&words), keys(&english), "{language}");
        for (key, text) in &words {
            assert_eq!(places(text), places(&english[key]), "{language}: {key}");
        }
    }
}

#[test]
fn every_text_is_used_and_every_text_that_is_used_is_there() {
    let english = words("en");
    let sources: Vec<_> = sources()
        .filter(|(name, _)| !name.starts_with("words-"))
        .collect();
    for key in english.keys() {
        let quoted = format!("\"{key}\"");
        assert!(
            sources.iter().any(|(_, text)| text.contains(&quoted)),
            "{key} is not used"
        );
    }
    for (name, text) in sources {
        for start in ["t(\"", "data-t=\"", "data-t-label=\"", "data-t-hint=\""] {
            for (at, _) in text.match_indices(start) {
                // The names of other functions may end like this one.
                let (before, rest) = text.split_at(at);
                if start == "t(\"" && before.ends_with(char::is_alphanumeric) {
                    continue;
                }
                let (key, _) = rest.strip_prefix(start).unwrap().split_once('"').unwrap();
                assert!(english.contains_key(key), "{name}: {key}");
            }
        }
    }
}

#[test]
fn the_english_of_the_pages_is_the_english_of_the_texts() {
    let english = words("en");
    for name in ["index.html", "request.html", "ask.html", "login.html"] {
        for rest in text(name).split("data-t=\"").skip(1) {
            let (key, rest) = rest.split_once('"').unwrap();
            let (_, rest) = rest.split_once('>').unwrap();
            let (shown, _) = rest.split_once('<').unwrap();
            assert_eq!(english[key], shown, "{name}");
        }
    }
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_another_host() {
    for (name, text) in sources() {
        for bad in [
            "innerHTML",
            "insertAdjacentHTML",
            "outerHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(bad), "{name}: {bad}");
        }
        for address in text
            .split("//")
            .skip(1)
            .filter(|rest| !rest.starts_with(' '))
        {
            let address = address.lines().next().unwrap_or_default();
            assert!(
                address.is_empty() || address.starts_with("www.w3.org/2000/svg"),
                "{name}: {address}"
            );
        }
        if FILES[name].media == HTML {
            for bad in [" style=", "<style", " onclick=", " onload=", "javascript:"] {
                assert!(!text.contains(bad), "{name}: {bad}");
            }
            assert_eq!(text.matches("<script").count(), 1, "{name}");
        }
    }
}

#[test]
fn whatever_a_file_names_is_there() {
    for (name, text) in sources() {
        for (start, end) in [
            ("\"/assets/", '"'),
            ("from \"./", '"'),
            ("import \"./", '"'),
            ("import(\"./", '"'),
        ] {
            for rest in text.split(start).skip(1) {
                let (wanted, _) = rest.split_once(end).unwrap();
                assert!(FILES.contains_key(wanted), "{name}: {wanted}");
            }
        }
    }
}

#[test]
fn the_runs_of_characters_cover_all_of_them() {
    let module = text("characters.js");
    let (_, runs) = module.split_once("RUNS = \"").unwrap();
    let (runs, _) = runs.split_once('"').unwrap();
    let counts = runs.split(char::is_uppercase).skip(1);
    let code: u32 = counts
        .map(|count| u32::from_str_radix(count, 36).unwrap())
        .sum();
    assert_eq!(code, u32::from(char::MAX) + 1);
    assert!(runs.starts_with("Hw"), "the control characters are hidden");
    assert!(runs.len() < 16 * 1024, "{}", runs.len());
}
