//! Text from strangers that would rather be something else.

use pushd::terminal::locale::Charset;
use pushd::terminal::printable::visible_in;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::daemon::setup;

const TITLE: &str = "<img src=x onerror=alert(1)><script>alert(2)</script> \u{202e}evorppA\u{202c} \
    a\u{301}\u{301}\u{301}\u{301}\u{301} \u{200b}\u{1b}[2J &amp; {title}";

#[tokio::test]
async fn a_title_with_markup_script_and_bidi_marks_is_shown_as_text() {
    let daemon = setup().start();
    let asked = json!({
        "title": TITLE,
        "details": "</pre><button class='approve'>Approve</button>\n\u{2028}The daemon knows\ta\r\nb\u{0}",
        "fields": [{"name": "<b>x</b>", "value": "javascript:alert(3)\n\u{202d}y"}],
        "topic": "default",
    });
    let id = daemon.asking(&asked).await.id();
    let long = daemon.ask(&"W".repeat(200)).await;
    let browser = Browser::at(&daemon, "/").await;
    browser.resize(320, 640).await;
    for path in ["/", &format!("/r/{id}")] {
        browser.open(&format!("{}{path}", daemon.url())).await;
        let text = browser.card_is(&id, "pending").await;
        for words in [
            &*visible_in(TITLE, Charset::Utf8),
            "\\u{2028}The daemon knows\\t",
            "b\\u{0}",
            "<b>x</b>",
            "\\u{202d}y",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let foreign = "
            const frame = document.querySelector('.card .frame');
            return [document.querySelectorAll('img[src=x], b').length,
                    document.querySelectorAll('.card script').length,
                    frame.querySelectorAll('button, a, input').length,
                    document.querySelectorAll('.card .known')[0].contains(frame)]";
        let found = browser.run(foreign, json!([])).await;
        assert_eq!(found, json!([0, 0, 0, false]));
        assert_eq!(
            browser.run(super::single::FITS, json!([])).await,
            true,
            "{path}"
        );
    }
    let title = browser.run("return document.title", json!([])).await;
    assert!(!title.as_str().unwrap().contains('\u{202e}'), "{title}");
    let reason = json!({"verdict": "deny", "reason": "<i>no</i> \u{202e}on"});
    daemon.deciding(&id, &reason).await;
    let text = browser.card_is(&id, "denied").await;
    assert!(text.contains("<i>no</i> \\u{202e}on"), "{text}");
    browser.open(&daemon.url()).await;
    browser.card_is(&long, "pending").await;
    assert_eq!(browser.run(super::single::FITS, json!([])).await, true);
    browser.is_content().await;
}

/// Contexts in which a character may stand.
const BEFORE: [&str; 4] = ["", "a", "a\u{301}\u{301}\u{301}", "⚠"];

#[tokio::test]
async fn page_and_terminal_show_every_character_alike() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/").await;
    // One number for each plane and context, over all that the function makes of each character.
    let sums = "
        const { visible } = await import('/assets/visible.js');
        const sums = [];
        for (let plane = 0; plane <= 16; plane += 1) {
            for (const before of arguments[0]) {
                let sum = 0;
                for (let code = plane << 16; code < (plane + 1) << 16; code += 1) {
                    if (code >= 0xd800 && code <= 0xdfff) continue;
                    const shown = visible(before + String.fromCodePoint(code));
                    for (let n = 0; n < shown.length; n += 1) {
                        sum = (Math.imul(sum, 31) + shown.charCodeAt(n)) | 0;
                    }
                }
                sums.push(sum);
            }
        }
        return sums;";
    let script = format!("return (async function () {{ {sums} }}).apply(null, arguments)");
    let sums = browser.run(&script, json!([BEFORE])).await;
    let mut expected = Vec::new();
    for plane in 0..=16_u32 {
        for before in BEFORE {
            let mut sum = 0_i32;
            for c in (plane << 16..(plane + 1) << 16).filter_map(char::from_u32) {
                let shown = visible_in(&format!("{before}{c}"), Charset::Utf8);
                for unit in shown.encode_utf16() {
                    sum = sum.wrapping_mul(31).wrapping_add(unit.into());
                }
            }
            expected.push(Value::from(sum));
        }
    }
    assert_eq!(sums, Value::from(expected));
}
