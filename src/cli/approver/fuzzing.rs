//! Questions with any text in them: what reaches the terminal is one row after the other, and
//! what is ours can be told from what is a stranger's.

use super::question::{PROMPT, Room, outcome, question, whole};
use crate::domain::{EventId, RequestId, Timestamp, Verdict};
use crate::terminal::locale::Charset;
use crate::terminal::measure::columns;
use crate::terminal::row::Row;
use crate::terminal::style::Look;
use crate::wire::{
    BoundFile, Command, Content, DecisionView, Field, PanelView, Party, RequestView, Status,
    Variable,
};

/// The narrowest screen on which questions are asked.
const NARROWEST: usize = 20;

/// The first four bytes are width, height, look and status; the rest is text, cut at `|`.
pub fn screens(data: &[u8]) {
    let Some((&[width, height, look, status], text)) = data.split_first_chunk() else {
        return;
    };
    let text = String::from_utf8_lossy(text);
    let view = view(&text, status);
    let charset = if look & 1 == 0 {
        Charset::Utf8
    } else {
        Charset::Ascii
    };
    let look = Look {
        charset,
        styled: look & 2 != 0,
        cursor: look & 4 != 0,
    };
    let room = Room {
        look,
        width: NARROWEST - 1 + usize::from(width) % 200,
        height: usize::from(height) % 80,
    };
    let now = (status & 8 == 0).then(|| Timestamp::from_millis(1_700_000_000_000));
    let asked = question(&view, now, room);
    rows_are_clean(&asked.rows, room);
    claims_are_framed(&asked.rows, room);
    assert!(asked.time < asked.status && asked.status < asked.rows.len());
    let all = whole(&view, room);
    rows_are_clean(&all, room);
    all_is_framed(&all, room);
    let end = outcome(&view, room);
    rows_are_clean(&end, room);
    assert!(
        end.iter()
            .skip(1)
            .all(|row| row.text().starts_with(bar(room)))
    );
    assert!(end.iter().take(1).all(|row| row.text().starts_with("  ")));
}

fn bar(room: Room) -> &'static str {
    room.look.charset.pick("  │ ", "  | ")
}

/// Nothing in them moves a cursor or is wider than the screen.
fn rows_are_clean(rows: &[Row], room: Room) {
    for row in rows {
        let text = row.text();
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(!text.contains(is_invisible), "{text:?}");
        assert!(columns(&text) <= room.width, "{text:?} in {}", room.width);
        assert!(
            room.look.charset == Charset::Utf8 || text.is_ascii(),
            "{text:?}"
        );
        for painted in [row.paint(room.look), row.strike(room.look)] {
            let bare = without_attributes(&painted);
            assert!(!bare.chars().any(char::is_control), "{painted:?}");
            assert!(room.look.styled || painted == bare, "{painted:?}");
        }
    }
}

/// Characters that hide, or turn round what stands beside them, by themselves.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The text without `ESC [ ... m`, which is all that a row is painted with.
fn without_attributes(painted: &str) -> String {
    let mut parts = painted.split("\u{1b}[");
    let mut bare = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (attribute, rest) = part.split_once('m').expect("an attribute ends");
        assert!(
            attribute
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b';')
        );
        bare.push_str(rest);
    }
    bare
}

/// Between our two labels stand framed rows and counts, outside of them nothing that is a
/// stranger's begins a row, and there is one of each label and no prompt.
fn claims_are_framed(rows: &[Row], room: Room) {
    let texts: Vec<_> = rows.iter().map(Row::text).collect();
    let cut = |text: &str| crate::terminal::measure::cut(text, room.width, room.look.ellipsis());
    let (says, knows) = (cut("The asker says"), cut("The daemon knows"));
    assert_eq!(texts[1], says);
    let places = |wanted: &str| texts.iter().filter(|text| *text == wanted).count();
    assert_eq!((places(&says), places(&knows)), (1, 1), "{texts:?}");
    let end = texts
        .iter()
        .position(|text| *text == knows)
        .unwrap_or_default();
    let count = format!("  {} ", room.look.ellipsis());
    for text in &texts[2..end] {
        assert!(
            text.starts_with(bar(room)) || text.starts_with(&count),
            "{text:?}"
        );
    }
    for text in &texts[end + 1..] {
        assert!(text.is_empty() || text.starts_with("    "), "{text:?}");
    }
    assert!(!texts.iter().any(|text| text.starts_with(PROMPT)));
}

/// After the first label all is framed up to the second, of which there is one, and what follows
/// that stands further in.
fn all_is_framed(rows: &[Row], room: Room) {
    let texts: Vec<_> = rows.iter().skip(1).map(Row::text).collect();
    let knows = crate::terminal::measure::cut("The daemon knows", room.width, room.look.ellipsis());
    let mut parts = texts.split(|text| *text == knows);
    let (Some(claims), Some(facts), None) = (parts.next(), parts.next(), parts.next()) else {
        panic!("there is one label: {texts:?}");
    };
    assert!(
        claims.iter().all(|text| text.starts_with(bar(room))),
        "{claims:?}"
    );
    assert!(
        facts.iter().all(|text| text.starts_with("    ")),
        "{facts:?}"
    );
}

fn view(text: &str, status: u8) -> RequestView {
    let mut parts = text.split('|').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let at = Timestamp::from_millis(1_700_000_000_000);
    let requester = Party {
        principal: part(),
        address: Some(part()).filter(|address| !address.is_empty()),
        channel: None,
    };
    let reason = Some(part());
    let (title, topic, details) = (part(), part(), part());
    let mut fields = Vec::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        fields.push(Field { name, value });
    }
    let status = match status % 6 {
        0 => Status::Pending,
        1 => Status::Approved,
        2 => Status::Denied,
        3 => Status::Expired,
        4 => Status::Cancelled,
        _ => Status::Unknown,
    };
    let decisions = [Verdict::Approve, Verdict::Deny].map(|verdict| DecisionView {
        verdict,
        approver: requester.clone(),
        reason: reason.clone(),
        at,
    });
    let command = Command {
        argv: vec![title.clone(), topic.clone(), details.clone()],
        program: title.clone(),
        directory: topic.clone(),
        user: title.clone(),
        host: topic.clone(),
        environment: Some(vec![Variable {
            name: title.clone(),
            value: details.clone(),
        }]),
        stdin: Some(Content {
            sha256: title.clone(),
            bytes: 1,
        }),
        files: Some(vec![BoundFile {
            path: details.clone(),
            sha256: topic.clone(),
            bytes: 2,
        }]),
    };
    RequestView {
        id: RequestId::from_bytes([7; 16]),
        topic: topic.clone(),
        title: title.clone(),
        details,
        fields,
        status,
        version: EventId(1),
        event_id: EventId(1),
        requester,
        created_at: at,
        expires_at: at,
        approvals_needed: 2,
        denials_needed: 1,
        approvers: Some(vec![title.clone(), topic.clone()]),
        panels: vec![PanelView {
            group: title.clone(),
            approvals: 2,
            members: vec![topic.clone()],
        }],
        rules: vec![title.clone()],
        reason_required: true,
        self_approval: true,
        freezes: vec![topic.clone()],
        command: Some(command),
        lease_secs: None,
        lease_ended: false,
        use_within_secs: 3600,
        approvers_connected: None,
        consumed_at: None,
        match_code_required: true,
        decisions: decisions.into(),
        decided_at: None,
        seen_by: Vec::new(),
        history: None,
    }
}
