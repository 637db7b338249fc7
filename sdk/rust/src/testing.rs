//! Calls and submissions for unit tests, and fixtures to run an action against.

use serde::de::DeserializeOwned;

use crate::bindings::surety::action::types;
use crate::{Call, Failure};
#[cfg(feature = "validator")]
use crate::{Finding, Submission, validator_bindings};

pub use crate::fixture::fixtures;
#[cfg(feature = "validator")]
pub use crate::fixture::validator_fixtures;

/// When the message of a test is accepted or run: 2026-01-01T00:00:00Z.
pub(crate) const NOW_MS: u64 = 1_767_225_600_000;

/// A first attempt for a message with this payload, read the way a host's call
/// is read. All three are JSON texts; change what the test is about in the
/// result.
pub fn call<P, E, S>(payload: &str, ext: &str, settings: &str) -> Result<Call<P, E, S>, Failure>
where
    P: DeserializeOwned,
    E: DeserializeOwned,
    S: DeserializeOwned,
{
    Call::from_raw(types::Call {
        message: message(payload),
        state: "received".to_owned(),
        seq: 0,
        step: 0,
        attempt: 1,
        now_ms: NOW_MS,
        ext: ext.to_owned(),
        settings: settings.to_owned(),
    })
}

/// A submission of a message with this payload, read the way a host's is. Both are
/// JSON texts.
#[cfg(feature = "validator")]
pub fn submission<P, S>(payload: &str, settings: &str) -> Result<Submission<P, S>, Finding>
where
    P: DeserializeOwned,
    S: DeserializeOwned,
{
    Submission::from_raw(validator_bindings::Submission {
        message: message(payload),
        now_ms: NOW_MS,
        settings: settings.to_owned(),
    })
}

/// What a test answers to requests.
#[cfg(feature = "http")]
type World =
    Box<dyn FnMut(&crate::http::Request) -> Result<crate::http::Response, crate::http::Error>>;

#[cfg(feature = "http")]
thread_local! {
    static WORLD: std::cell::RefCell<Option<World>> = const { std::cell::RefCell::new(None) };
}

/// Makes `answer` the world outside of actions that are called on this thread.
#[cfg(feature = "http")]
pub fn world(
    answer: impl FnMut(&crate::http::Request) -> Result<crate::http::Response, crate::http::Error>
    + 'static,
) {
    WORLD.set(Some(Box::new(answer)));
}

/// Asks the test's world; without one nothing answers.
#[cfg(all(feature = "http", not(target_family = "wasm")))]
pub(crate) fn answer(
    request: &crate::http::Request,
) -> Result<crate::http::Response, crate::http::Error> {
    WORLD.with_borrow_mut(|world| match world {
        Some(world) => world(request),
        None => Err(crate::http::Error::Unanswered("there is no world in this test".to_owned())),
    })
}

pub(crate) fn message(payload: &str) -> types::Message {
    types::Message {
        msg_id: "test-message".to_owned(),
        msg_type: "test".to_owned(),
        client_id: "acme".to_owned(),
        creation_date: "2026-01-01T00:00:00Z".to_owned(),
        signer: "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf".to_owned(),
        text: format!(r#"{{"msg_id":"test-message","payload":{payload}}}"#),
    }
}
