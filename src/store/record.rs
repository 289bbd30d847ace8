//! The bytes that durable stores keep of a request.
//!
//! JSON with a format number in front. The number rises when an older version could no longer
//! read a record whole; a record from such a future is refused, never read in part.

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::domain::{Request, RequestId};

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    request: &'a Request,
}

#[derive(Deserialize)]
struct Read {
    request: Request,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// Writes a record.
pub fn encode(request: &Request) -> Vec<u8> {
    serde_json::to_vec(&Written {
        format: FORMAT,
        request,
    })
    .expect("a request has text keys only and its parts write without errors")
}

/// Reads the record of `id`.
///
/// # Errors
/// [`StoreError::BadRecord`] when it is of a newer format, or damaged, or of another request.
pub fn decode(id: RequestId, bytes: &[u8]) -> Result<Request, StoreError> {
    let bad = |reason: String| StoreError::BadRecord {
        id: id.to_string(),
        reason,
    };
    let header: Header = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    if header.format != FORMAT {
        let format = header.format;
        return Err(bad(format!(
            "it has format {format} and this pushd reads format {FORMAT}; run the newer pushd"
        )));
    }
    let read: Read = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    if read.request.id != id {
        return Err(bad(format!("it is of request {}", read.request.id)));
    }
    Ok(read.request)
}
