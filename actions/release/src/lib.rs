//! What was reserved for a withdrawal that cannot be settled is given back:
//! `unsettled` → `released`. This undoes [`reserve`](../reserve).

use serde::{Deserialize, Serialize};
use surety_sdk::{Advance, Call, Failure, Unused};

/// What earlier actions wrote.
#[derive(Debug, Deserialize)]
pub struct Ext {
    reservation: Reservation,
}

/// As `reserve` writes it.
#[derive(Debug, Deserialize, Serialize)]
struct Reservation {
    asset: String,
    amount: String,
    gas: String,
}

#[derive(Serialize)]
struct Patch {
    /// Null takes the member out of Msg_Ext: nothing is held any more.
    reservation: (),
    release: Reservation,
}

/// The action.
pub fn run(call: Call<Unused, Ext, Unused>) -> Result<Advance, Failure> {
    let release = call.ext.reservation;
    let note = format!("{} {} are free again", release.amount, release.asset);
    Ok(Advance::to("released").patch(&Patch { reservation: (), release })?.note(note))
}

surety_sdk::action!(run);

#[cfg(test)]
mod tests {
    use surety_sdk::testing;

    use super::*;

    #[test]
    fn what_was_held_is_free_and_no_longer_held() {
        let ext = r#"{"reservation": {"asset": "ETH", "amount": "990", "gas": "21000"}}"#;
        let advance = run(testing::call("{}", ext, "{}").unwrap()).unwrap();
        assert_eq!(advance.state, "released");
        let patch =
            r#"{"reservation":null,"release":{"asset":"ETH","amount":"990","gas":"21000"}}"#;
        assert_eq!(advance.ext_patch, patch);
        assert_eq!(advance.note.as_deref(), Some("990 ETH are free again"));
    }

    #[test]
    fn without_a_reservation_there_is_nothing_to_release() {
        let failed = testing::call::<Unused, Ext, Unused>("{}", "{}", "{}").and_then(run);
        assert!(
            matches!(failed, Err(Failure::Permanent(reason)) if reason.contains("reservation"))
        );
    }
}
