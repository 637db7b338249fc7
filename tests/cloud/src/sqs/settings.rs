//! A queue's attributes: which there are, what they may be, what they are when
//! nobody says.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::errors::{ATTRIBUTE_NAME, ATTRIBUTE_VALUE, Fault};

/// Attributes that are a number: name, default, least, most.
const NUMBERS: [(&str, u64, u64, u64); 6] = [
    ("DelaySeconds", 0, 0, 900),
    ("KmsDataKeyReusePeriodSeconds", 300, 60, 86_400),
    ("MaximumMessageSize", 1 << 20, 1_024, 1 << 20),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 0, 20),
    ("VisibilityTimeout", 30, 0, 43_200),
];
/// Attributes that are one of some words; the first is the default.
const WORDS: [(&str, &[&str]); 1] = [("SqsManagedSseEnabled", &["true", "false"])];
/// The same, of FIFO queues only.
const FIFO_WORDS: [(&str, &[&str]); 4] = [
    ("ContentBasedDeduplication", &["false", "true"]),
    ("DeduplicationScope", &["queue", "messageGroup"]),
    ("FifoQueue", &["true"]),
    ("FifoThroughputLimit", &["perQueue", "perMessageGroupId"]),
];
/// Attributes that are kept as they come.
const TEXTS: [&str; 4] = ["KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "RedrivePolicy"];
/// Attributes that only the service writes.
pub(crate) const COMPUTED: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];
/// Most receives that a redrive policy may ask for.
const RECEIVES_MAX: u64 = 1_000;

/// Where a message goes that was received too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    pub(crate) target_arn: String,
    /// Received as often as this, the next receive moves it.
    pub(crate) receives_max: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveText {
    dead_letter_target_arn: String,
    max_receive_count: serde_json::Value,
}

/// The attributes of one queue.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) fifo: bool,
    set: BTreeMap<String, String>,
    pub(crate) redrive: Option<Redrive>,
}

impl Settings {
    /// All defaults.
    pub(crate) fn new(fifo: bool) -> Self {
        let mut set = BTreeMap::new();
        for (name, default, ..) in NUMBERS {
            set.insert(name.to_owned(), default.to_string());
        }
        let fifo_words = if fifo { &FIFO_WORDS[..] } else { &[] };
        for (name, words) in WORDS.iter().chain(fifo_words) {
            set.insert((*name).to_owned(), words[0].to_owned());
        }
        Self { fifo, set, redrive: None }
    }

    /// Sets all of these, or none.
    ///
    /// # Errors
    /// A name that this kind of queue does not have, or a value outside of its range.
    pub(crate) fn change(&mut self, given: &BTreeMap<String, String>) -> Result<(), Fault> {
        let mut next = self.clone();
        for (name, value) in given {
            next.check(name, value)?;
            if name == "RedrivePolicy" {
                next.redrive = redrive(value)?;
            }
            if TEXTS.contains(&name.as_str()) && value.is_empty() {
                next.set.remove(name);
            } else {
                next.set.insert(name.clone(), value.clone());
            }
        }
        *self = next;
        Ok(())
    }

    fn check(&self, name: &str, value: &str) -> Result<(), Fault> {
        let wrong = || {
            ATTRIBUTE_VALUE.because(format!("Invalid value for the parameter {name}: {value:?}."))
        };
        if let Some((_, _, least, most)) = NUMBERS.iter().find(|n| n.0 == name) {
            let number: u64 = value.parse().map_err(|_| wrong())?;
            return if (*least..=*most).contains(&number) { Ok(()) } else { Err(wrong()) };
        }
        let fifo_words = if self.fifo { &FIFO_WORDS[..] } else { &[] };
        if let Some((_, words)) = WORDS.iter().chain(fifo_words).find(|w| w.0 == name) {
            return if words.contains(&value) { Ok(()) } else { Err(wrong()) };
        }
        if TEXTS.contains(&name) {
            return Ok(());
        }
        Err(ATTRIBUTE_NAME.because(format!("Unknown Attribute {name}.")))
    }

    /// Whether each of these is what is set.
    ///
    /// # Errors
    /// The name of one that is not.
    pub(crate) fn compare(&self, given: &BTreeMap<String, String>) -> Result<(), String> {
        match given.iter().find(|(name, value)| self.set.get(*name) != Some(*value)) {
            Some((name, _)) => Err(name.clone()),
            None => Ok(()),
        }
    }

    /// All that is set, by name.
    pub(crate) fn all(&self) -> &BTreeMap<String, String> {
        &self.set
    }

    /// Whether the word of this name is this.
    pub(crate) fn is(&self, name: &str, word: &str) -> bool {
        self.set.get(name).is_some_and(|w| w == word)
    }

    fn number(&self, name: &str) -> u64 {
        self.set.get(name).and_then(|v| v.parse().ok()).unwrap_or_default()
    }

    pub(crate) fn delay_s(&self) -> u64 {
        self.number("DelaySeconds")
    }

    pub(crate) fn bytes_max(&self) -> usize {
        usize::try_from(self.number("MaximumMessageSize")).unwrap_or(usize::MAX)
    }

    pub(crate) fn retention_ms(&self) -> u64 {
        self.number("MessageRetentionPeriod") * 1_000
    }

    pub(crate) fn wait_s(&self) -> u64 {
        self.number("ReceiveMessageWaitTimeSeconds")
    }

    pub(crate) fn visibility_s(&self) -> u64 {
        self.number("VisibilityTimeout")
    }
}

/// Whether a queue may be asked for an attribute of this name.
pub(crate) fn known(name: &str) -> bool {
    name == "All"
        || COMPUTED.contains(&name)
        || TEXTS.contains(&name)
        || NUMBERS.iter().any(|n| n.0 == name)
        || WORDS.iter().chain(&FIFO_WORDS).any(|w| w.0 == name)
}

fn redrive(value: &str) -> Result<Option<Redrive>, Fault> {
    if value.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        ATTRIBUTE_VALUE
            .because(format!("Invalid value for the parameter RedrivePolicy: {value:?}."))
    };
    let text: RedriveText = serde_json::from_str(value).map_err(|_| wrong())?;
    // The service takes the number as a number or as a string.
    let receives_max = text
        .max_receive_count
        .as_u64()
        .or_else(|| text.max_receive_count.as_str()?.parse().ok())
        .filter(|n| (1..=RECEIVES_MAX).contains(n))
        .ok_or_else(wrong)?;
    Ok(Some(Redrive { target_arn: text.dead_letter_target_arn, receives_max }))
}
