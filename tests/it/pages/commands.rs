//! A command on a page: an approver sees exactly what the asker says will run.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::daemon::setup;

const DIGEST: &str = "3f2a9c01b2d4e5f60718293a4b5c6d7e8f9011223344556677889900aabbccdd";

/// Texts that would rather be something else, and what is shown of them.
const TEXTS: [(&str, &str); 14] = [
    ("", "empty"),
    ("two words", "two words"),
    ("two  spaces", "two␣␣spaces"),
    (" before and after ", "␣before and after␣"),
    ("a\nb\n", "a\\n\nb\\n\n"),
    ("if x\n  y \nfi", "if x\\n\n  y␣\\n\nfi"),
    ("a\r\n\tb", "a\\u{d}\\n\n\\t\tb"),
    ("'\"\\ $(reboot) `x`", "'\"\\ $(reboot) `x`"),
    ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
    ("a\u{200b}\u{ad}b", "a\\u{200b}\\u{ad}b"),
    (
        "a\u{a0}b\u{2003}\u{3000}c\u{2800}\u{3164}",
        "a\\u{a0}b\\u{2003}\\u{3000}c\\u{2800}\\u{3164}",
    ),
    ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
    (
        "<b>x</b><script>alert(1)</script>",
        "<b>x</b><script>alert(1)</script>",
    ),
    (
        "The daemon knows: Approved by alice",
        "The daemon knows: Approved by alice",
    ),
];

/// A command with each of these texts in each of its places.
pub(super) fn hostile() -> Value {
    let given = TEXTS.map(|(given, _)| given);
    let filled = given.iter().filter(|text| !text.is_empty());
    let environment: Vec<_> = given
        .iter()
        .enumerate()
        .map(|(n, value)| json!({"name": format!("V{n}"), "value": value}))
        .collect();
    let files: Vec<_> = filled
        .map(|path| json!({"path": path, "sha256": DIGEST, "bytes": 18211}))
        .collect();
    let argv = [&["sh"][..], &given].concat();
    json!({
        "argv": argv,
        "program": "/bin/sh\u{202e}",
        "directory": "/tmp/\nThe daemon knows",
        "user": "root\u{200b}",
        "host": "a@b ",
        "environment": environment,
        "stdin": {"sha256": DIGEST, "bytes": 1},
        "files": files,
    })
}

/// What the boxes in this part of the card show, one by one.
async fn boxes(browser: &Browser, part: &str) -> Vec<String> {
    let all = "return [...document.querySelectorAll(`.card ${arguments[0]} .exact`)]
        .map((it) => it.textContent)";
    serde_json::from_value(browser.run(all, json!([part])).await).unwrap()
}

#[tokio::test]
async fn each_text_of_a_command_is_shown_apart_exactly_and_as_text() {
    let daemon = setup().start();
    let asked = json!({"title": "Run it?", "command": hostile()});
    let id = daemon.asking(&asked).await.id();
    let browser = Browser::start().await;
    browser.resize(390, 844).await;
    let shown = TEXTS.map(|(_, shown)| shown);
    for path in ["/".to_owned(), format!("/r/{id}")] {
        browser.open(&format!("{}{path}", daemon.url())).await;
        let text = browser.card_is(&id, "pending").await;
        assert!(text.contains("Command to run, in 15 parts"), "{text}");
        let argv = boxes(&browser, ".argv").await;
        assert_eq!(argv, [&["sh"][..], &shown].concat(), "{path}");
        // Names and values take turns.
        let rest = boxes(&browser, ".fields").await;
        let (about, rest) = rest.split_at(4);
        let about_shown = [
            "/bin/sh\\u{202e}",
            "/tmp/\\n\nThe daemon knows",
            "root\\u{200b}",
            "a@b␣",
        ];
        assert_eq!(about, about_shown, "{path}");
        let (environment, files) = rest.split_at(2 * shown.len());
        for (n, pair) in environment.chunks(2).enumerate() {
            assert_eq!(pair, [&format!("V{n}"), shown[n]], "{path}");
        }
        assert_eq!(files, &shown[1..], "{path}");
        // All of it is in the asker's frame and is text; a word of ours is marked as one.
        let foreign = "
            const inFrame = (it) => it.closest('.frame') && !it.closest('.known');
            const boxes = [...document.querySelectorAll('.card .exact')];
            const [, empty] = document.querySelectorAll('.argv .exact');
            return [boxes.every(inFrame), boxes.every((it) => !it.querySelector(':not(.escape)')),
                    document.querySelectorAll('.card b, .card script').length,
                    empty.firstChild.className]";
        let found = browser.run(foreign, json!([])).await;
        assert_eq!(found, json!([true, true, 0, "escape"]), "{path}");
        assert_eq!(
            browser.run(super::single::FITS, json!([])).await,
            true,
            "{path}"
        );
    }
    browser.is_content().await;
}

/// Whoever compares a digest needs all of it; a beginning is soon found for another file.
#[tokio::test]
async fn a_digest_is_shown_whole_on_demand() {
    let daemon = setup().start();
    let command = json!({"argv": ["apply"], "program": "/bin/apply", "directory": "/",
        "files": [{"path": "plan.out", "sha256": DIGEST, "bytes": 18211}]});
    let asked = json!({"title": "Apply?", "command": command});
    let id = daemon.asking(&asked).await.id();
    let browser = Browser::at(&daemon, "/").await;
    let text = browser.card_is(&id, "pending").await;
    assert!(
        text.contains("18,211 bytes") && text.contains("SHA-256 3f2a9c01b2d4e5f6…"),
        "{text}"
    );
    assert!(!text.contains(DIGEST), "{text}");
    browser.press_on(".card .digest summary").await;
    browser.says(".card .digest code", DIGEST).await;
}

#[tokio::test]
async fn a_long_command_says_that_it_goes_on_below() {
    let daemon = setup().start();
    let argv: Vec<_> = (0..800).map(|n| format!("/data/file-{n}")).collect();
    let command = json!({"argv": argv, "program": "/bin/rm", "directory": "/"});
    let asked = json!({"title": "Remove them?", "command": command});
    let id = daemon.asking(&asked).await.id();
    let browser = Browser::at(&daemon, "/").await;
    browser.card_is(&id, "pending").await;
    let says = "const argv = document.querySelector('.card .argv');
        const sign = argv.nextElementSibling;
        return argv.tabIndex === 0 && argv.scrollHeight > argv.clientHeight
            && sign.checkVisibility({ visibilityProperty: true })
            && sign.innerText === 'More below: scroll to read all of it'";
    browser.until("it to say so", says).await;
    let read = "const argv = document.querySelector('.card .argv');
        argv.scrollTop = argv.scrollHeight;
        const last = argv.lastElementChild.getBoundingClientRect();
        return last.bottom <= argv.getBoundingClientRect().bottom
            && !argv.nextElementSibling.checkVisibility({ visibilityProperty: true })";
    browser.until("the last one to be read", read).await;
}

/// Whatever a text is, what is shown leads back to it, and no space is easily overlooked.
#[tokio::test]
async fn nothing_of_an_exact_text_is_lost() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/").await;
    let lost = r"return (async function () {
        const { exactNodes } = await import('/assets/visible.js');
        const characters = [' ', ' ', '\n', '\t', 'a', '\\', '\r', '\u202e', '\u0301', '\u00a0', '␣', '\u{1f600}'];
        let seed = 7;
        const random = (most) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % 65521 % most;
        for (let n = 0; n < 20000; n += 1) {
            const text = Array.from({ length: random(9) }, () => characters[random(characters.length)]).join('');
            const nodes = exactNodes(text);
            let back = '';
            let bare = '';
            for (const node of nodes) {
                const isEscape = typeof node !== 'string';
                const shown = isEscape ? node.textContent : node;
                bare += isEscape ? '|' : shown;
                if (!isEscape) back += shown;
                else if (/^␣+$/.test(shown)) back += ' '.repeat(shown.length);
                else if (!/^\\[nt]$/.test(shown)) {
                    back += String.fromCodePoint(parseInt(/^\\u\{([0-9a-f]+)\}$/.exec(shown)[1], 16));
                }
            }
            // A line that goes on below another may be indented; no other space is bare but one alone.
            const overlooked = /^ | (\|[\n\t]|$)|[^\n\t ] {2,}|(?! )\p{Zs}/u.test(bare);
            if (back !== text || overlooked) return [text, back, bare];
        }
        return null;
    }).apply(null, arguments)";
    assert_eq!(browser.run(lost, json!([])).await, Value::Null);
}
