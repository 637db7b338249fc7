//! Row L: what is true of a Msg_ID. It says which version of the message is
//! current, and holds no body.
//!
//! ```text
//!  ISSUED ─→ CREATING ─→ ACTIVE ─→ ARCHIVED
//!     │          └─────→ EXPIRED        an admission that nobody finished
//!     └─→ SIGNAL
//! ```

use surety_core::ports::{Fault, IdRefused};
use surety_core::receipt::Receipt;
use surety_core::types::{ClientId, Digest, MsgId, Seq, Time};

use super::item::{Fields, Item};
use super::versions::{Cid, Current};

/// What became of a Msg_ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It is a client's, who has not used it.
    Issued,
    /// A message is being admitted under it; nobody was told that it is.
    Creating,
    /// Its message is open.
    Active,
    /// Its message is in the archive.
    Archived,
    /// A signal used it.
    Signal,
    /// Its admission was begun, and not finished in its time.
    Expired,
}

impl Status {
    const ALL: [(Self, &str); 6] = [
        (Self::Issued, "ISSUED"),
        (Self::Creating, "CREATING"),
        (Self::Active, "ACTIVE"),
        (Self::Archived, "ARCHIVED"),
        (Self::Signal, "SIGNAL"),
        (Self::Expired, "EXPIRED"),
    ];

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(status, _)| *status == self).map_or("", |(_, name)| name)
    }
}

/// A row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) msg_id: MsgId,
    pub(super) status: Status,
    pub(super) client_id: ClientId,
    pub(super) expires_at: Time,
    /// The hash of the signed text; of none that is only issued.
    pub(super) content: Option<Digest>,
    /// Of an open message.
    pub(super) open: Option<Open>,
    /// Of a message that was admitted.
    pub(super) receipt: Option<Vec<u8>>,
}

/// What the row of an open message says beyond.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) current: Current,
    /// The revision before the last commit.
    pub(super) prev: Option<Seq>,
    /// Whether it moves by itself, and so must have a ticket or a time.
    pub(super) moves: bool,
    /// When it moves without a ticket, if it does.
    pub(super) due: Option<Time>,
    /// When it was last committed.
    pub(super) moved_at: Time,
    /// When the current version was last sent.
    pub(super) sent_at: Time,
    /// The last revision at which something was done outside.
    pub(super) journaled: Option<Seq>,
}

impl Row {
    /// Reads an item.
    pub(super) fn read(item: &Item) -> Result<Self, Fault> {
        let fields = Fields::of(item, "a row of the messages");
        let status = fields.text("status")?;
        let status = Status::ALL.iter().find(|(_, name)| *name == status);
        let (status, _) = *status.ok_or_else(|| {
            let id = fields.text("msg_id").unwrap_or("?");
            Fault::Corrupt(format!("the row of {id} has the status {status:?}"))
        })?;
        let open = status == Status::Active;
        let has = |name: &str| fields.has(name);
        Ok(Self {
            msg_id: fields.msg_id()?,
            status,
            client_id: fields.parsed("client_id")?,
            expires_at: fields.time("expires_at")?,
            content: has("content").then(|| fields.digest("content")).transpose()?,
            receipt: has("receipt").then(|| fields.bytes("receipt")).transpose()?.map(Vec::from),
            open: open.then(|| Open::read(fields)).transpose()?,
        })
    }

    /// Whether a client may use the id at a time for the first time. What is being
    /// admitted may be, again.
    pub(super) fn check(&self, client: &ClientId, at: Time) -> Result<(), IdRefused> {
        if self.client_id != *client {
            return Err(IdRefused::Foreign);
        }
        match self.status {
            Status::Active | Status::Archived | Status::Signal => Err(IdRefused::Used),
            Status::Expired => Err(IdRefused::Expired(self.expires_at)),
            Status::Issued | Status::Creating if self.expires_at < at => {
                Err(IdRefused::Expired(self.expires_at))
            }
            Status::Issued | Status::Creating => Ok(()),
        }
    }

    /// The receipt of the message that was admitted.
    pub(super) fn receipt(&self) -> Result<Receipt, Fault> {
        let none = || Fault::Corrupt(format!("the row of {} has no receipt", self.msg_id));
        Ok(Receipt::decode(self.receipt.as_deref().ok_or_else(none)?)?)
    }
}

impl Open {
    fn read(fields: Fields<'_>) -> Result<Self, Fault> {
        let optional = |name: &str| fields.has(name).then(|| fields.number(name)).transpose();
        let unreadable =
            |()| Fault::Corrupt("a row of the messages has no readable cid".to_owned());
        Ok(Self {
            current: Current {
                rev: fields.number("rev")?,
                cid: fields.text("cid")?.parse::<Cid>().map_err(unreadable)?,
                digest: fields.digest("version")?,
            },
            prev: optional("prev")?,
            moves: fields.number("moves")? == 1,
            due: optional("due")?.map(Time::from_millis),
            moved_at: fields.time("moved_at")?,
            sent_at: fields.time("sent_at")?,
            journaled: optional("journaled")?,
        })
    }
}
