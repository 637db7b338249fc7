//! Versions of a message: what is sent to its queue, and which of what lies there
//! is current, garbage or somebody's who has not committed yet. Pure.
//!
//! Whatever happened to whoever worked on the message, three rules hold:
//!
//! 1. The current version is the one whose revision and cid stand in the row.
//! 2. Garbage is what is older than the row, or of its revision under another cid,
//!    or the smaller of two equal copies when the greater was seen.
//! 3. What is newer than the row is never garbage: its commit may be under way.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use surety_core::codec::{DecodeError, Writer};
use surety_core::ext::MsgExt;
use surety_core::machine::{Head, Loaded};
use surety_core::message::Message;
use surety_core::receipt::Receipt;
use surety_core::types::{Digest, MsgId, Seq};

use super::tables::VERSION;

/// The name of one attempt to commit: ten random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cid(pub(super) [u8; 10]);

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Cid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 10];
        if text.len() != 20 || !text.is_ascii() {
            return Err(());
        }
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| ())?;
        }
        Ok(Self(bytes))
    }
}

/// All of a message that is not in its records, under one cid.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) rev: Seq,
    pub(super) cid: Cid,
    /// The signed message, as the engine stores it. The same in every version.
    pub(super) original: Vec<u8>,
    pub(super) receipt: Vec<u8>,
    /// The head without its Msg_Ext.
    pub(super) head: Vec<u8>,
    /// Msg_Ext's text.
    pub(super) ext: Arc<str>,
}

impl Version {
    /// The version that a commit of this message makes.
    pub(super) fn of(loaded: &Loaded, cid: Cid) -> Self {
        let bare = Head { ext: MsgExt::empty(), ..loaded.head.clone() };
        Self {
            rev: loaded.head.seq,
            cid,
            original: loaded.message.encode(),
            receipt: loaded.receipt.encode(),
            head: bare.encode(),
            ext: Arc::clone(loaded.head.ext.text()),
        }
    }

    /// What the row keeps of it, so that a changed version is known as such.
    pub(super) fn digest(&self) -> Digest {
        let (original, ext) = (Digest::of(&self.original), Digest::of(self.ext.as_bytes()));
        digest(original, &self.receipt, &self.head, ext)
    }

    /// The message, without records and journal.
    pub(super) fn read(&self) -> Result<Loaded, DecodeError> {
        let mut head = Head::decode(&self.head)?;
        head.ext = MsgExt::parse(&self.ext).map_err(|_| DecodeError::Field("ext"))?;
        Ok(Loaded {
            message: Arc::new(Message::decode(&self.original)?),
            receipt: Arc::new(Receipt::decode(&self.receipt)?),
            head,
            records: Vec::new(),
            journal: Vec::new(),
        })
    }
}

fn digest(original: Digest, receipt: &[u8], head: &[u8], ext: Digest) -> Digest {
    let writer = Writer::new().bytes(&original.0).bytes(receipt).bytes(head).bytes(&ext.0);
    Digest::of(&writer.finish())
}

/// One message of a queue: a part of a copy of a version.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    v: u64,
    msg_id: MsgId,
    rev: Seq,
    cid: String,
    /// 0 for the first, one more with each renewal.
    copy: u64,
    #[serde(flatten)]
    content: Content,
}

/// What a part carries.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Content {
    /// The version, but for its Msg_Ext.
    Main {
        /// Absent when it is too large for a queue; it is an object then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        original: Option<String>,
        /// The digest of the signed message as it is stored.
        original_digest: Digest,
        receipt: String,
        head: String,
        /// The digest of Msg_Ext's text.
        ext_digest: Digest,
    },
    /// Msg_Ext; none is sent of an empty one.
    Ext { ext: String },
}

/// The largest body of a queue's message, in bytes. SQS takes 1 MiB; the rest is
/// for what it adds.
const PART_BYTES_MAX: usize = (1 << 20) - (16 << 10);

impl Part {
    /// The parts of a copy in the order in which they are sent: what belongs to the
    /// main part before it. Gives the original apart, when it has to be an object.
    pub(super) fn of(id: MsgId, version: &Version, copy: u64) -> (Vec<Self>, bool) {
        let part = |content| Self {
            v: VERSION,
            msg_id: id,
            rev: version.rev,
            cid: version.cid.to_string(),
            copy,
            content,
        };
        let main = |original| {
            part(Content::Main {
                original,
                original_digest: Digest::of(&version.original),
                receipt: BASE64.encode(&version.receipt),
                head: BASE64.encode(&version.head),
                ext_digest: Digest::of(version.ext.as_bytes()),
            })
        };
        let mut parts = Vec::new();
        if *version.ext != **MsgExt::empty().text() {
            parts.push(part(Content::Ext { ext: version.ext.as_ref().to_owned() }));
        }
        let whole = main(Some(BASE64.encode(&version.original)));
        let large = whole.body().len() > PART_BYTES_MAX;
        parts.push(if large { main(None) } else { whole });
        (parts, large)
    }

    /// The body that is sent, in characters that SQS takes: those of XML 1.0. JSON
    /// escapes all others by itself, but for two; outside of strings there are none.
    pub(super) fn body(&self) -> String {
        let body = serde_json::to_string(self).unwrap_or_default();
        if !body.contains(['\u{fffe}', '\u{ffff}']) {
            return body;
        }
        body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    }

    fn cid(&self) -> Option<Cid> {
        self.cid.parse().ok()
    }

    /// What deduplicates repeated sends in a FIFO queue.
    pub(super) fn name(&self) -> String {
        let kind = if matches!(self.content, Content::Ext { .. }) { "ext" } else { "main" };
        format!("{}-{}-{kind}", self.cid, self.copy)
    }

    /// The group in a FIFO queue: each copy its own, so that none holds up another.
    pub(super) fn group(&self) -> String {
        format!("{}-{}", self.cid, self.copy)
    }

    pub(super) fn copy(&self) -> u64 {
        self.copy
    }
}

/// What was received of a queue.
pub(super) struct Received {
    /// By which SQS knows the message.
    pub(super) message_id: String,
    /// By which it is deleted.
    pub(super) handle: String,
    /// None when it is not a part of this message that this version reads.
    pub(super) part: Option<Part>,
}

impl Received {
    pub(super) fn new(id: MsgId, message_id: String, handle: String, body: &str) -> Self {
        let part = serde_json::from_str(body).ok();
        let part = part.filter(|part: &Part| part.msg_id == id && part.v == VERSION);
        Self { message_id, handle, part }
    }
}

/// Adds what another receive gave. A message that was received before is no copy of
/// itself: it stays one, and its newer handle is the one that works.
pub(super) fn add(received: &mut Vec<Received>, more: Vec<Received>) {
    for seen in more {
        match received.iter_mut().find(|before| before.message_id == seen.message_id) {
            Some(before) => *before = seen,
            None => received.push(seen),
        }
    }
}

/// What the row says is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) rev: Seq,
    pub(super) cid: Cid,
    pub(super) digest: Digest,
}

/// What was found in a queue.
#[derive(Default)]
pub(super) struct Found {
    /// The current version; without its original when that is an object.
    pub(super) version: Option<Version>,
    /// The digest of the original, when that is an object.
    pub(super) original_at: Option<Digest>,
    /// Its greatest copy.
    pub(super) copy: u64,
    /// Places of the parts that make the version up.
    pub(super) parts: Vec<usize>,
    /// Places of what may be deleted.
    pub(super) garbage: Vec<usize>,
    /// Whether something bears the current name and is not what was committed.
    pub(super) tampered: bool,
}

/// Judges what was received, each message of it [once](add).
pub(super) fn judge(received: &[Received], current: Current) -> Found {
    let mut found = Found::default();
    let (mut mains, mut exts) = (Vec::new(), Vec::new());
    for (place, seen) in received.iter().enumerate() {
        let Some(part) = &seen.part else { continue };
        let Some(cid) = part.cid() else { continue };
        if part.rev < current.rev || (part.rev == current.rev && cid != current.cid) {
            found.garbage.push(place);
        }
        if (part.rev, cid) != (current.rev, current.cid) {
            continue;
        }
        match &part.content {
            Content::Main { .. } => mains.push(place),
            Content::Ext { .. } => exts.push(place),
        }
    }
    let order = |place: &usize| {
        let seen = &received[*place];
        (seen.part.as_ref().map_or(0, Part::copy), seen.message_id.as_str())
    };
    mains.sort_by_key(order);
    exts.sort_by_key(order);

    let mut genuine = Vec::new();
    for place in mains {
        match received[place].part.as_ref().and_then(|part| main(part, current)) {
            Some(version) => genuine.push((place, version)),
            None => found.tampered = true,
        }
    }
    let Some((main, (mut version, original_at, ext_digest))) = genuine.pop() else {
        return found;
    };
    // Only what was seen to be equal to a greater copy is garbage.
    found.garbage.extend(genuine.into_iter().map(|(place, _)| place));
    found.copy = received[main].part.as_ref().map_or(0, Part::copy);
    found.parts.push(main);
    if ext_digest == Digest::of(MsgExt::empty().text().as_bytes()) {
        version.ext = Arc::clone(MsgExt::empty().text());
    } else {
        let mut genuine: Vec<_> = exts.into_iter().filter(|place| {
            let part = received[*place].part.as_ref();
            let is = matches!(part.map(|part| &part.content), Some(Content::Ext { ext }) if Digest::of(ext.as_bytes()) == ext_digest);
            found.tampered |= !is;
            is
        }).collect();
        let Some(place) = genuine.pop() else { return found };
        found.garbage.extend(genuine);
        found.parts.push(place);
        if let Some(Content::Ext { ext }) = received[place].part.as_ref().map(|part| &part.content)
        {
            version.ext = ext.as_str().into();
        }
    }
    found.original_at = original_at;
    found.version = Some(version);
    found
}

/// The version that a main part carries, if it is the one that was committed; and
/// the digests of what it does not carry.
fn main(part: &Part, current: Current) -> Option<(Version, Option<Digest>, Digest)> {
    let Content::Main { original, original_digest, receipt, head, ext_digest } = &part.content
    else {
        return None;
    };
    let bytes = original.as_ref().map(|text| BASE64.decode(text)).transpose().ok()?;
    let (receipt, head) = (BASE64.decode(receipt).ok()?, BASE64.decode(head).ok()?);
    let original_at = bytes.is_none().then_some(*original_digest);
    let original = bytes.unwrap_or_default();
    if original_at.is_none() && Digest::of(&original) != *original_digest {
        return None;
    }
    let is = digest(*original_digest, &receipt, &head, *ext_digest) == current.digest;
    let version =
        Version { rev: current.rev, cid: current.cid, original, receipt, head, ext: "".into() };
    is.then_some((version, original_at, *ext_digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> MsgId {
        MsgId::from_bytes([7; 16])
    }

    fn version(rev: Seq, cid: u8, ext: &str) -> Version {
        Version {
            rev,
            cid: Cid([cid; 10]),
            original: b"signed".to_vec(),
            receipt: b"receipt".to_vec(),
            head: vec![cid],
            ext: ext.into(),
        }
    }

    fn current(version: &Version) -> Current {
        Current { rev: version.rev, cid: version.cid, digest: version.digest() }
    }

    /// What lies in a queue after these versions were sent as these copies.
    fn received(sent: &[(&Version, u64)]) -> Vec<Received> {
        let parts = sent.iter().flat_map(|(version, copy)| Part::of(id(), version, *copy).0);
        let bodies = parts.map(|part| part.body());
        let numbered = bodies.enumerate();
        numbered
            .map(|(i, body)| Received::new(id(), format!("m{i}"), format!("h{i}"), &body))
            .collect()
    }

    #[test]
    fn the_row_says_what_is_current() {
        let (old, mine, other, new) = (
            version(1, 1, "{}"),
            version(2, 2, r#"{"a":1}"#),
            version(2, 3, "{}"),
            version(3, 4, "{}"),
        );
        let seen = received(&[(&new, 0), (&other, 0), (&old, 0), (&mine, 0)]);
        let found = judge(&seen, current(&mine));
        assert!(found.version == Some(mine), "the version is whole, with its ext");
        // 0 is newer than the row; 1 and 2 lost or are past; 3 and 4 are the version.
        assert_eq!(found.garbage, [1, 2]);
        assert_eq!(found.parts, [4, 3]);
        assert!(!found.tampered);
    }

    #[test]
    fn without_its_ext_a_version_is_not_there() {
        let mine = version(2, 2, r#"{"a":1}"#);
        let mut seen = received(&[(&mine, 0)]);
        seen.remove(0);
        let found = judge(&seen, current(&mine));
        assert!(found.version.is_none() && found.garbage.is_empty());
    }

    #[test]
    fn of_equal_copies_the_greatest_stays() {
        let mine = version(2, 2, r#"{"a":1}"#);
        for order in [[0, 1], [1, 0]] {
            let copies: Vec<_> = order.iter().map(|copy| (&mine, *copy)).collect();
            let seen = received(&copies);
            let found = judge(&seen, current(&mine));
            let copy = |place: &usize| seen[*place].part.as_ref().map(Part::copy);
            assert!(found.garbage.iter().all(|place| copy(place) == Some(0)));
            assert!(found.parts.iter().all(|place| copy(place) == Some(1)));
            assert_eq!((found.garbage.len(), found.copy), (2, 1));
        }
        // The same copy twice, because the answer to a send was lost.
        let seen = received(&[(&mine, 0), (&mine, 0)]);
        let found = judge(&seen, current(&mine));
        assert_eq!((found.garbage.len(), found.parts.len()), (2, 2));
    }

    #[test]
    fn a_message_that_was_received_twice_is_no_copy_of_itself() {
        let mine = version(2, 2, r#"{"a":1}"#);
        let mut seen = received(&[(&mine, 0)]);
        add(&mut seen, received(&[(&mine, 0)]));
        let found = judge(&seen, current(&mine));
        assert!(found.version.is_some() && found.garbage.is_empty());
    }

    #[test]
    fn what_was_changed_is_neither_current_nor_garbage() {
        let mine = version(2, 2, "{}");
        let mut seen = received(&[(&mine, 0), (&mine, 1)]);
        let body = Part::of(id(), &Version { head: vec![9], ..mine.clone() }, 1).0[0].body();
        seen[1] = Received::new(id(), "m1".into(), "h1".into(), &body);
        let found = judge(&seen, current(&mine));
        assert!(found.tampered && found.version == Some(mine) && found.garbage.is_empty());
    }

    #[test]
    fn a_message_of_something_else_is_left_alone() {
        let mine = version(2, 2, "{}");
        let mut seen = received(&[(&mine, 0)]);
        for body in ["", "{}", "[1]", r#"{"v":99}"#] {
            seen.push(Received::new(id(), "x".into(), "x".into(), body));
        }
        let other = Part::of(MsgId::from_bytes([8; 16]), &version(1, 1, "{}"), 0).0[0].body();
        seen.push(Received::new(id(), "y".into(), "y".into(), &other));
        let found = judge(&seen, current(&mine));
        assert!(found.garbage.is_empty() && found.version.is_some());
    }

    #[test]
    fn a_body_has_no_character_that_sqs_refuses() {
        // What JSON may have, inside and outside of XML's bounds.
        let ext =
            "{\"a\":\"\u{fffe}\u{ffff}\\u0000\u{7f}\u{85}\u{d7ff}\u{e000}\u{fffd}\u{10ffff}\"}";
        let mine = version(2, 2, ext);
        let taken = |c| {
            let xml = ['\t'..='\n', '\r'..='\r', ' '..='\u{d7ff}', '\u{e000}'..='\u{fffd}'];
            c >= '\u{10000}' || xml.iter().any(|range| range.contains(&c))
        };
        for part in Part::of(id(), &mine, 0).0 {
            assert!(part.body().chars().all(taken));
        }
        let found = judge(&received(&[(&mine, 0)]), current(&mine));
        assert!(found.version == Some(mine) && !found.tampered, "it is another one");
    }

    #[test]
    fn a_large_original_goes_apart() {
        let mine = Version { original: vec![1; PART_BYTES_MAX], ..version(2, 2, "{}") };
        let (parts, apart) = Part::of(id(), &mine, 0);
        assert!(apart && parts[0].body().len() < 2_000);
        let found = judge(&received(&[(&mine, 0)]), current(&mine));
        assert_eq!(found.original_at, Some(Digest::of(&mine.original)));
        assert!(found.version.is_some_and(|version| version.original.is_empty()));
    }
}
