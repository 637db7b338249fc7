//! Asks a treasury's API for a payout, and what became of it: → `paid` or `refused`.
//! A payout that is under way is asked for again in another attempt.
//!
//! However often it is asked for, after a crash or in another attempt, the treasury
//! pays once: the requests carry the same `Idempotency-Key`.

use serde::{Deserialize, Serialize};
use surety_sdk::{Advance, Call, Failure, Unused, http};

/// What the client signed.
#[derive(Debug, Deserialize)]
pub struct Payload {
    asset: String,
    amount: String,
    to: String,
}

/// What the platform team decides.
#[derive(Debug, Deserialize)]
pub struct Settings {
    url: String,
}

#[derive(Serialize)]
struct Order<'a> {
    reference: &'a str,
    asset: &'a str,
    amount: &'a str,
    to: &'a str,
}

/// What the treasury answers, and what is written.
#[derive(Debug, Serialize, Deserialize)]
struct Payout {
    id: String,
}

/// What the treasury says of a payout.
#[derive(Debug, Deserialize)]
struct Progress {
    settled: bool,
}

#[derive(Serialize)]
struct Paid {
    payout: Payout,
}

#[derive(Serialize)]
struct Refusal {
    status: u16,
}

#[derive(Serialize)]
struct Refused {
    refusal: Refusal,
}

/// The action.
pub fn run(call: Call<Payload, Unused, Settings>) -> Result<Advance, Failure> {
    let Payload { asset, amount, to } = &call.message.payload;
    let order = Order { reference: &call.message.msg_id, asset, amount, to };
    let url = &call.settings.url;
    let response = authorized(http::Request::post(url)).json(&order)?.send()?;
    // The treasury has understood and will not. Who asks too often asks again.
    if let status @ (400 | 403 | 409 | 422) = response.status {
        return Advance::to("refused").patch(&Refused { refusal: Refusal { status } });
    }
    let payout: Payout = response.ok()?.json()?;
    let asked = authorized(http::Request::get(format!("{url}/{}", payout.id))).send()?;
    if !asked.ok()?.json::<Progress>()?.settled {
        return Err(Failure::transient(format!("payout {} is under way", payout.id)));
    }
    let note = format!("payout {}", payout.id);
    Ok(Advance::to("paid").patch(&Paid { payout })?.note(note))
}

surety_sdk::action!(run);

fn authorized(request: http::Request) -> http::Request {
    request.header("authorization", "Bearer {{secret:treasury-api}}")
}

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    fn outcome(answer: Result<http::Response, http::Error>) -> Result<Advance, Failure> {
        testing::world(move |request| {
            if request.method() == "GET" {
                let settled = request.url() == "https://treasury.example/p/p-1";
                return Ok(http::Response::new(200, format!(r#"{{"settled": {settled}}}"#)));
            }
            assert_eq!((request.method(), request.url()), ("POST", "https://treasury.example/p"));
            let body = r#"{"reference":"test-message","asset":"ETH","amount":"5","to":"bob"}"#;
            assert_eq!(request.body(), body.as_bytes());
            assert_eq!(request.headers()[0].1, b"Bearer {{secret:treasury-api}}");
            answer.clone()
        });
        let payload = r#"{"asset": "ETH", "amount": "5", "to": "bob"}"#;
        run(testing::call(payload, "{}", r#"{"url": "https://treasury.example/p"}"#)?)
    }

    #[test]
    fn the_fixtures_hold() {
        testing::fixtures("fixtures", run);
    }

    #[test]
    fn the_answer_decides() {
        let paid = outcome(Ok(http::Response::new(201, r#"{"id": "p-1"}"#))).unwrap();
        assert_eq!(paid.state, "paid");
        assert_eq!(paid.ext_patch, r#"{"payout":{"id":"p-1"}}"#);
        let refused = outcome(Ok(http::Response::new(422, ""))).unwrap();
        assert_eq!(refused.ext_patch, r#"{"refusal":{"status":422}}"#);
        let under_way = outcome(Ok(http::Response::new(201, r#"{"id": "p-2"}"#))).unwrap_err();
        assert!(matches!(under_way, Failure::Transient(_)));
        for status in [429, 500, 503] {
            let failure = outcome(Ok(http::Response::new(status, ""))).unwrap_err();
            assert!(matches!(failure, Failure::Transient(_)), "{status}");
        }
        for (status, body) in [(401, ""), (200, "no JSON"), (200, "{}")] {
            let failure = outcome(Ok(http::Response::new(status, body))).unwrap_err();
            assert!(matches!(failure, Failure::Permanent(_)), "{status}");
        }
        let lost = outcome(Err(http::Error::Unanswered("no".to_owned()))).unwrap_err();
        assert!(matches!(lost, Failure::Transient(_)));
    }
}
