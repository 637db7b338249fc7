//! What host and compiler say to each other: a job on the command line, the
//! component on stdin, and on stdout an answer with what was compiled behind it.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use surety_core::refusal::{Code, Finding, Refusal};
use surety_core::text::line;

use super::limits::CompileLimits;
use crate::inspect::Shown;
use crate::limits::Limits;

/// The largest head of an answer: a manifest with every byte escaped.
const HEAD_BYTES_MAX: u32 = 2 << 20;

/// Findings that are passed on, and the bytes of a text in one.
const FINDINGS_MAX: usize = 100;
const TEXT_BYTES_MAX: usize = 4 << 10;

/// What the compiler is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Say how it is confined.
    Confine,
    /// Read the component.
    Inspect,
    /// Read and compile it.
    Compile,
}

/// What to do, within which limits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) task: Task,
    pub(super) limits: Limits,
    pub(super) compile: CompileLimits,
}

/// What the kernel gave to hold the compiler by, beside the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confined {
    /// It can ask the kernel for memory and for what it was given to read and
    /// write, and for nothing else.
    pub seccomp: bool,
    /// It can open no file and no connection.
    pub landlock: bool,
}

/// The compiler's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// How it is confined.
    Confined(Confined),
    /// What the component says of itself.
    Read(Shown),
    /// It is not taken.
    Refused(Refused),
}

/// A refusal on its way. Whatever comes in is bounded and has no control characters.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    code: String,
    detail: String,
    /// Pointers and details.
    errors: Vec<(String, String)>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let finding = |Finding { pointer, detail }: &Finding| {
            (line(pointer, TEXT_BYTES_MAX), line(detail, TEXT_BYTES_MAX))
        };
        Self {
            code: refusal.code.to_string(),
            detail: line(&refusal.detail, TEXT_BYTES_MAX),
            errors: refusal.errors.iter().take(FINDINGS_MAX).map(finding).collect(),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let known = Code::ALL.iter().find(|code| code.as_str() == refused.code);
        let finding = |(pointer, detail): (String, String)| Finding {
            pointer: line(&pointer, TEXT_BYTES_MAX),
            detail: line(&detail, TEXT_BYTES_MAX),
        };
        Self {
            code: known.copied().unwrap_or(Code::ModuleInvalid),
            detail: line(&refused.detail, TEXT_BYTES_MAX),
            errors: refused.errors.into_iter().take(FINDINGS_MAX).map(finding).collect(),
        }
    }
}

/// Writes a head and what follows it.
pub(crate) fn write(to: &mut impl Write, head: &impl Serialize, artifact: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let length = u32::try_from(head.len()).ok().filter(|length| *length <= HEAD_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("the head is too long"))?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(&head)?;
    to.write_all(artifact)
}

/// Takes apart what [`write()`] wrote.
pub(crate) fn split<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (head, artifact) = rest.split_at_checked(length)?;
    Some((serde_json::from_slice(head).ok()?, artifact))
}

/// Reads to the end, which comes within `max` bytes; more is none.
pub(super) fn read_all(from: impl Read, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= max).then_some(bytes))
}

/// The most that the compiler may write.
pub(super) fn answer_bytes_max(compile: &CompileLimits) -> usize {
    4 + HEAD_BYTES_MAX as usize + compile.output_bytes_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Task::Compile, b"code").unwrap();
        let (task, artifact) = split::<Task>(&bytes).unwrap();
        assert_eq!((task, artifact), (Task::Compile, &b"code"[..]));
        for end in 0..bytes.len() - 4 {
            assert!(split::<Task>(&bytes[..end]).is_none(), "cut at {end}");
        }
    }

    #[test]
    fn a_refusal_is_bounded_on_its_way() {
        let long = "\u{1b}[2J".repeat(100_000);
        let mut refusal = Refusal::new(Code::ModuleImport, long.as_str());
        for _ in 0..1_000 {
            refusal = refusal.at("", long.as_str());
        }
        let taken = Refusal::from(Refused::from(refusal));
        assert_eq!((taken.code, taken.errors.len()), (Code::ModuleImport, FINDINGS_MAX));
        let texts = taken.errors.iter().map(|e| &e.detail).chain([&taken.detail]);
        for text in texts {
            assert!(text.len() <= TEXT_BYTES_MAX && !text.contains('\u{1b}'));
        }
        let unknown = Refused { code: "nonsense".into(), detail: String::new(), errors: vec![] };
        assert_eq!(Refusal::from(unknown).code, Code::ModuleInvalid);
    }

    #[test]
    fn more_than_is_allowed_is_not_read() {
        assert_eq!(read_all(&b"abc"[..], 3).unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(read_all(io::repeat(0), 3).unwrap(), None);
    }
}
