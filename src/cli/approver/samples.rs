//! Requests for the tests of this program.

use crate::domain::{EventId, RequestId, Timestamp, Verdict};
use crate::wire::{DecisionView, Party, RequestView, Status};

/// A pending request, asked the later the larger `n` is, under the event of that number.
pub(super) fn request(n: u8) -> Box<RequestView> {
    let mut bytes = [0; 16];
    bytes[0] = n;
    let asked = 1_700_000_000_000 + i64::from(n);
    Box::new(RequestView {
        id: RequestId::from_bytes(bytes),
        topic: "default".to_owned(),
        title: format!("Deploy {n}?"),
        details: String::new(),
        fields: Vec::new(),
        status: Status::Pending,
        version: EventId(n.into()),
        event_id: EventId(n.into()),
        requester: Party {
            principal: "local".to_owned(),
            address: Some("127.0.0.1".to_owned()),
            channel: None,
        },
        created_at: Timestamp::from_millis(asked),
        expires_at: Timestamp::from_millis(asked + 3_600_000),
        approvals_needed: 1,
        denials_needed: 1,
        approvers: None,
        panels: Vec::new(),
        rules: Vec::new(),
        reason_required: false,
        self_approval: false,
        freezes: Vec::new(),
        command: None,
        lease_secs: None,
        lease_ended: false,
        use_within_secs: 3600,
        approvers_connected: None,
        consumed_at: None,
        match_code_required: false,
        decisions: Vec::new(),
        decided_at: None,
        seen_by: Vec::new(),
        history: None,
    })
}

/// The same when it is final, under event `event`.
pub(super) fn settled(n: u8, event: u64, status: Status) -> Box<RequestView> {
    let mut view = request(n);
    (view.status, view.version, view.event_id) = (status, EventId(event), EventId(event));
    let verdict = match status {
        Status::Approved => Verdict::Approve,
        Status::Denied => Verdict::Deny,
        Status::Pending | Status::Expired | Status::Cancelled | Status::Unknown => return view,
    };
    view.decisions.push(DecisionView {
        verdict,
        approver: Party {
            principal: "bob".to_owned(),
            address: None,
            channel: None,
        },
        reason: Some("frozen".to_owned()),
        at: view.created_at,
    });
    view
}
