//! Reading and compiling components in a process of their own.
//!
//! ```text
//!   host ── job, component ─→ compiler: confine → read → compile
//!        ←── manifest, code ──          one job, then it ends
//! ```
//!
//! wasmtime does not call its compiler safe against hostile input, and everything
//! that a stranger wrote is better read where it can break nothing. So to deploy and
//! run one the host parses no component: it takes a manifest, which is JSON like any
//! message, and machine code, which it runs. What the host does read itself is a
//! deployed component that an auditor asks about (`host/audit`, outside of this crate).
//!
//! Who can make the compiler write other code than the component's has the host; that
//! is what the process cannot help.

mod child;
mod confine;
mod limits;
mod wire;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use surety_core::ports::Fault;
use surety_core::refusal::{Code, Refusal};
use surety_core::text::line;
use thiserror::Error;

pub use child::compile_apart;
pub use limits::CompileLimits;
pub use wire::Confined;

pub(crate) use wire::{Answer, Task, split, write};

use crate::inspect::Shown;
use crate::limits::Limits;

/// Why a component is not ready.
#[derive(Debug, Error)]
pub enum NotReady {
    /// It is refused, or compiling it takes more than it may.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The host failed; the same may be tried again.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// How often the host looks whether the compiler has ended: at first soon, since
/// most components take milliseconds, then less.
const LOOK_FIRST: Duration = Duration::from_micros(500);
const LOOK_LAST: Duration = Duration::from_millis(20);

/// What is kept of the compiler's complaints.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;

/// What Rust says when an allocation fails, right before it aborts.
const NO_MEMORY: &str = "memory allocation of ";

/// Runs compilers, one at a time: a component may take the memory of all others
/// together, and the processors are for messages.
pub(crate) struct Compiler {
    /// A program and its arguments; the job follows.
    command: Vec<OsString>,
    limits: CompileLimits,
    /// Where it runs: an empty folder.
    folder: PathBuf,
    turn: Mutex<()>,
}

/// How a compiler came to its end.
struct Ended {
    status: Option<ExitStatus>,
    answer: Option<Vec<u8>>,
    complaint: String,
}

impl Compiler {
    pub(crate) fn new(
        command: Vec<OsString>,
        limits: CompileLimits,
        folder: &Path,
    ) -> std::io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { command, limits, folder: folder.to_owned(), turn: Mutex::new(()) })
    }

    /// How it is confined; an error if it does not run at all.
    pub(crate) fn confined(&self, limits: &Limits) -> Result<Confined, Fault> {
        match self.ask(Task::Confine, limits, b"") {
            Ok((Answer::Confined(confined), _)) => Ok(confined),
            Ok(_) => Err(senseless()),
            Err(NotReady::Fault(fault)) => Err(fault),
            Err(NotReady::Refused(refusal)) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    /// What a component says of itself, and its code if it is to be compiled.
    pub(crate) fn read(
        &self,
        task: Task,
        limits: &Limits,
        component: &[u8],
    ) -> Result<(Shown, Vec<u8>), NotReady> {
        match self.ask(task, limits, component)? {
            (Answer::Read(shown), artifact) => Ok((shown, artifact)),
            (Answer::Refused(refused), _) => Err(NotReady::Refused(refused.into())),
            (Answer::Confined(_), _) => Err(senseless().into()),
        }
    }

    fn ask(
        &self,
        task: Task,
        limits: &Limits,
        component: &[u8],
    ) -> Result<(Answer, Vec<u8>), NotReady> {
        let job = wire::Job { task, limits: *limits, compile: self.limits };
        let job = serde_json::to_string(&job).map_err(|e| Fault::Unavailable(e.to_string()))?;
        // A panic of another thread leaves nothing behind that matters here.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |e| Fault::Unavailable(format!("the compiler does not start: {e}"));
        let child = self.start(&job).map_err(failed)?;
        let ended = self.attend(child, component).map_err(failed)?;
        let answer = self.judge(ended)?;
        let (head, artifact) = split(&answer).ok_or_else(senseless)?;
        Ok((head, artifact.to_vec()))
    }

    /// Nothing of the host's goes with it: no environment, no open file.
    fn start(&self, job: &str) -> std::io::Result<Child> {
        let (program, arguments) = self.command.split_first().ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "no command is given")
        })?;
        let mut command = Command::new(program);
        command.args(arguments).arg(job).env_clear().current_dir(&self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn()
    }

    /// Gives it the component, takes its answer, and ends it when its time is over.
    fn attend(&self, mut child: Child, component: &[u8]) -> std::io::Result<Ended> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let max = wire::answer_bytes_max(&self.limits);
        thread::scope(|scope| {
            scope.spawn(move || {
                // One that ended before it read everything has said why.
                stdin.map(|mut stdin| stdin.write_all(component));
            });
            let answer = scope.spawn(move || wire::read_all(stdout?, max).ok().flatten());
            let complaint = scope.spawn(move || {
                let mut text = Vec::new();
                let read = stderr?.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text);
                read.ok().map(|_| String::from_utf8_lossy(&text).into_owned())
            });
            let status = self.wait(&mut child);
            Ok(Ended {
                status: status?,
                answer: answer.join().ok().flatten(),
                complaint: complaint.join().ok().flatten().unwrap_or_default(),
            })
        })
    }

    /// Its exit status; none if its time was over.
    fn wait(&self, child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
        let (started, max) = (Instant::now(), Duration::from_millis(self.limits.wall_ms_max));
        let mut pause = LOOK_FIRST;
        while started.elapsed() < max {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK_LAST);
        }
        child.kill()?;
        child.wait()?;
        Ok(None)
    }

    /// What its end says about the component.
    fn judge(&self, ended: Ended) -> Result<Vec<u8>, NotReady> {
        let CompileLimits { memory_bytes_max, cpu_s_max, wall_ms_max, output_bytes_max } =
            self.limits;
        let limit = |name, value| Err(limit_reached(name, value).into());
        let Some(status) = ended.status else { return limit("wall_ms_max", wall_ms_max) };
        if ended.complaint.contains(NO_MEMORY) {
            return limit("memory_bytes_max", memory_bytes_max);
        }
        let broken = |what: String| {
            tracing::error!(complaint = line(&ended.complaint, 400), "{what}");
            Err(Refusal::new(Code::ModuleInvalid, what).into())
        };
        match status.signal() {
            Some(libc::SIGXCPU) => return limit("cpu_s_max", cpu_s_max),
            // Nobody here sent it: the machine has no memory left.
            Some(libc::SIGKILL) => {
                return Err(Fault::Unavailable("the compiler was killed".to_owned()).into());
            }
            Some(libc::SIGSYS) => {
                return broken("the compiler asked the kernel for what compiling does not need, and was stopped".to_owned());
            }
            Some(signal) => {
                return broken(format!(
                    "the compiler broke on the component, with signal {signal}"
                ));
            }
            None => {}
        }
        let Some(answer) = ended.answer else {
            return limit("output_bytes_max", output_bytes_max as u64);
        };
        if !status.success() {
            let complaint = line(&ended.complaint, 400);
            return Err(Fault::Unavailable(format!("the compiler failed: {complaint}")).into());
        }
        Ok(answer)
    }
}

fn senseless() -> Fault {
    Fault::Unavailable("the compiler's answer makes no sense; is it of another version?".to_owned())
}

/// What a component is told that takes too much.
fn limit_reached(name: &str, value: u64) -> Refusal {
    let detail = format!("the limit `compile.{name}` of {value} is reached");
    Refusal::new(Code::ModuleCompileLimit, detail)
}
