//! Calls for unit tests.

use serde::de::DeserializeOwned;

use crate::{Call, Failure, bindings};

/// A first attempt for a message with this payload, read the way a host's call
/// is read. All three are JSON texts; change what the test is about in the
/// result.
pub fn call<P, E, S>(payload: &str, ext: &str, settings: &str) -> Result<Call<P, E, S>, Failure>
where
    P: DeserializeOwned,
    E: DeserializeOwned,
    S: DeserializeOwned,
{
    Call::from_raw(bindings::Call {
        message: bindings::surety::action::types::Message {
            msg_id: "test-message".to_owned(),
            msg_type: "test".to_owned(),
            client_id: "acme".to_owned(),
            creation_date: "2026-01-01T00:00:00Z".to_owned(),
            signer: "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf".to_owned(),
            text: format!(r#"{{"msg_id":"test-message","payload":{payload}}}"#),
        },
        state: "received".to_owned(),
        seq: 0,
        step: 0,
        attempt: 1,
        now_ms: 1_767_225_600_000,
        ext: ext.to_owned(),
        settings: settings.to_owned(),
    })
}
