//! The link and the code of a request's page, as the real program shows them, and the word that
//! somebody has opened it.

use serde_json::json;

use crate::daemon::{Daemon, setup};
use crate::front::{Front, Way};
use crate::programs::Requester;
use crate::pty::Pty;
use crate::until::until;

const PUBLIC: &str = "https://pushd.example";

fn public() -> Daemon {
    setup().flags(&format!("--public-url {PUBLIC}/")).start()
}

/// `requester --qr` on a terminal of this size.
fn on_terminal(daemon: &Daemon, environment: &[(&str, &str)], size: (u16, u16)) -> Pty {
    let url = daemon.url();
    let args = ["--url", &url, "-m", "Deploy?", "--qr"];
    Pty::run_sized(env!("CARGO_BIN_EXE_requester"), &args, environment, size)
}

/// How bright a terminal with a `ground` of its own shows each half of each cell: what a camera
/// sees, with four pixels for half a cell's height.
pub(crate) fn decoded(bytes: &[u8], (rows, cols): (u16, u16), ground: u8) -> Vec<String> {
    let mut parser = vt100::Parser::new(rows.try_into().unwrap(), cols.try_into().unwrap(), 0);
    parser.process(bytes);
    let screen = parser.screen();
    let light = |color: vt100::Color, default: u8| match color {
        vt100::Color::Default => default,
        vt100::Color::Idx(231) => 255,
        vt100::Color::Idx(16) => 0,
        other @ (vt100::Color::Idx(_) | vt100::Color::Rgb(..)) => {
            panic!("{other:?} is not the same in all themes")
        }
    };
    let half = |x: u16, y: u16| {
        let cell = screen.cell(y / 2, x).unwrap();
        let (upper, contents) = (y.is_multiple_of(2), cell.contents());
        let drawn = match contents {
            "█" | "#" => true,
            "▀" => upper,
            "▄" => !upper,
            _ => false,
        };
        // Other text may be in any colour and is no part of the code.
        if !drawn && !contents.trim().is_empty() && !matches!(contents, "▀" | "▄") {
            return ground;
        }
        if drawn {
            light(cell.fgcolor(), 255 - ground)
        } else {
            light(cell.bgcolor(), ground)
        }
    };
    let zoom = 4;
    let (width, height) = (usize::from(cols) * zoom, usize::from(rows) * 2 * zoom);
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        let place = |n: usize| u16::try_from(n / zoom).unwrap();
        half(place(x), place(y))
    });
    let grids = image.detect_grids();
    let texts = grids.iter().map(|grid| grid.decode().unwrap().1);
    texts.collect()
}

#[tokio::test]
async fn the_code_on_the_terminal_is_the_link_of_the_page() {
    const DARK: u8 = 0;
    const LIGHT: u8 = 255;
    let daemon = public();
    for (environment, grounds) in [
        (&[][..], &[DARK, LIGHT][..]),
        (&[("LC_ALL", "C")], &[DARK, LIGHT]),
        (&[("TERM", "xterm"), ("NO_COLOR", "1")], &[DARK]),
        (&[("TERM", "dumb")], &[DARK]),
        (&[("NO_COLOR", "1"), ("LC_ALL", "C")], &[DARK]),
    ] {
        let size = (50, 100);
        let terminal = on_terminal(&daemon, environment, size);
        let id = until("the request", async || {
            let list = daemon.get("/v1/requests?status=pending").await.json();
            Some(list["requests"][0]["id"].as_str()?.to_owned())
        })
        .await;
        let link = format!("{PUBLIC}/r/{id}");
        terminal.wait_for(&format!("page: {link}"));
        for ground in grounds {
            let texts = decoded(&terminal.bytes(), size, *ground);
            assert_eq!(texts, [&*link], "{environment:?} on {ground}");
        }
        if environment.contains(&("LC_ALL", "C")) {
            assert!(terminal.bytes().is_ascii(), "{}", terminal.text());
        }
        daemon.delete(&format!("/v1/requests/{id}")).await;
    }
}

#[tokio::test]
async fn without_room_for_the_code_the_link_stands_alone() {
    let daemon = public();
    for size in [(50, 30), (12, 100)] {
        let terminal = on_terminal(&daemon, &[("NO_COLOR", "1")], size);
        terminal.wait_for("page: https:");
        assert!(!terminal.text().contains('█'), "{}", terminal.text());
    }
    let piped = Requester::start(&daemon.url(), &["-m", "Deploy?", "--qr"]);
    piped.told("page: https://pushd.example/r/").await;
    let quiet = Requester::start(&daemon.url(), &["-m", "No words?", "--qr", "-q"]);
    let id = until("the request", async || {
        let list = daemon.get("/v1/requests").await.json();
        let newest = &list["requests"][0];
        (newest["title"] == "No words?").then(|| newest["id"].as_str().unwrap().to_owned())
    })
    .await;
    daemon.approve(&id).await;
    let left = quiet.left().await;
    assert_eq!((left.code, &*left.stderr), (Some(0), ""));
}

#[tokio::test]
async fn a_link_that_is_of_no_use_elsewhere_says_how_to_mend_it() {
    for (flags, words) in [
        ("", "start pushd with --public-url"),
        ("--public-url http://localhost:8888", "loopback address"),
    ] {
        let daemon = setup().in_memory().flags(flags).start();
        let piped = Requester::start(&daemon.url(), &["-m", "Deploy?", "--qr"]);
        piped.told(words).await;
        piped.told("page: http://").await;
        let terminal = on_terminal(&daemon, &[], (50, 100));
        terminal.wait_for("opens on this machine only");
        assert!(!terminal.text().contains('█'), "{}", terminal.text());
    }
}

#[tokio::test]
async fn the_public_url_is_checked_and_its_host_is_answered_to() {
    let daemon = public();
    let me = daemon.get("/v1/me").header("host", "pushd.EXAMPLE").await;
    assert_eq!(me.json()["public_url"], PUBLIC);
    let plain = setup().in_memory().start();
    assert_eq!(plain.get("/v1/me").await.json().get("public_url"), None);
    for bad in [
        "pushd.example",
        "ftp://pushd.example",
        "http://a@b",
        "http://a/?b",
    ] {
        let flags = format!("--public-url {bad}");
        let (code, stderr) = setup().in_memory().flags(&flags).fails();
        assert_eq!(code, Some(64), "{bad}: {stderr}");
        assert!(stderr.contains("--public-url"), "{stderr}");
    }
}

#[tokio::test]
async fn the_requester_says_who_has_opened_the_question_and_polls_no_more_for_it() {
    let daemon = setup().start();
    let front = Front::before(&daemon, |_, _| Way::Through).await;
    let piped = Requester::start(&front.url(), &["-m", "Deploy?"]);
    let url = daemon.url();
    let program = env!("CARGO_BIN_EXE_requester");
    let args = ["--url", &*url, "-m", "Deploy too?"];
    let terminal = Pty::run(program, &args, &[]);
    daemon.waiters_are(2).await;
    let list = daemon.get("/v1/requests").await.json();
    for request in list["requests"].as_array().unwrap() {
        let id = request["id"].as_str().unwrap();
        assert_eq!(
            daemon.post(&format!("/v1/requests/{id}/seen")).await.status,
            204
        );
    }
    terminal.wait_for("opened by local");
    piped.told("requester: opened by local").await;
    daemon.waiters_are(2).await;
    // Being seen again changes nothing, and wakes nobody.
    for request in list["requests"].as_array().unwrap() {
        let id = request["id"].as_str().unwrap();
        daemon.post(&format!("/v1/requests/{id}/seen")).await;
    }
    let calls = front.calls();
    let polls = calls.iter().filter(|line| line.starts_with("GET "));
    assert_eq!(polls.count(), 2, "{calls:?}");
    for request in list["requests"].as_array().unwrap() {
        let id = request["id"].as_str().unwrap();
        daemon.deciding(id, &json!({"verdict": "approve"})).await;
    }
    let left = piped.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let told = left.stderr.matches("opened by").count();
    assert_eq!(told, 1, "{}", left.stderr);
}
