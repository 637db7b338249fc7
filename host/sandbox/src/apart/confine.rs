//! The compiler confines itself, before it reads the first byte of a component:
//! limits that the kernel keeps, and then no way to ask it for anything but
//! memory, its input and its output.

use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, nice, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};

use super::limits::CompileLimits;
use super::wire::Confined;

/// How far the compiler steps back behind the host's own threads, which move
/// messages: on a full processor it gets about a fifth of what one of them does.
const NICE: i32 = 7;

/// What its score is raised to for when the machine runs out of memory: the
/// compiler goes first, and not the host.
const OOM_SCORE: &str = "1000";

/// Its descriptors: input, output and errors.
const FILES: u64 = 3;

/// Gives up everything that compiling does not need. What the kernel does not have
/// is said in what it gives.
pub(super) fn confine(limits: &CompileLimits) -> io::Result<Confined> {
    let score = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    if let Err(error) = score {
        eprintln!("the memory score cannot be raised: {error}");
    }
    nice(NICE)?;
    // If the host dies, nobody wants the answer.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let hold = |resource, soft: u64, hard: u64| {
        // What the host itself may not have cannot be given.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let held = Rlimit { current: Some(soft.min(most)), maximum: Some(hard.min(most)) };
        setrlimit(resource, held)
    };
    hold(Resource::Core, 0, 0)?;
    hold(Resource::Fsize, 0, 0)?;
    hold(Resource::Nproc, 0, 0)?;
    // A second between the signal that says why and the one that cannot be missed.
    hold(Resource::Cpu, limits.cpu_s_max, limits.cpu_s_max + 1)?;
    hold(Resource::As, limits.memory_bytes_max, limits.memory_bytes_max)?;
    let landlock = system::landlock();
    hold(Resource::Nofile, FILES, FILES)?;
    Ok(Confined { landlock, seccomp: system::seccomp()? })
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::BTreeMap;
    use std::io;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreated, RulesetStatus,
        Scope,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, TargetArch, apply_filter,
    };

    /// The newest Landlock that is known here; of an older kernel's all that it has.
    const LANDLOCK: ABI = ABI::V6;

    /// Whether no file and no connection can be opened any more.
    pub(super) fn landlock() -> bool {
        let restricted = Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(LANDLOCK)))
            .and_then(|rules| rules.scope(Scope::from_all(LANDLOCK)))
            .and_then(Ruleset::create)
            .and_then(RulesetCreated::restrict_self);
        restricted.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
    }

    /// What allocating, computing and ending take. All else ends the process.
    const CALLS: [libc::c_long; 23] = [
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_madvise,
        libc::SYS_membarrier,
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_restart_syscall,
        libc::SYS_rseq,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_sigaltstack,
    ];

    /// Reading and writing, each from and to these descriptors alone.
    const STREAMS: [(libc::c_long, &[u64]); 4] = [
        (libc::SYS_read, &[0]),
        (libc::SYS_readv, &[0]),
        (libc::SYS_write, &[1, 2]),
        (libc::SYS_writev, &[1, 2]),
    ];

    /// Whether the kernel holds the process to the calls above.
    pub(super) fn seccomp() -> io::Result<bool> {
        let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
            return Ok(false);
        };
        let filter = filter(arch).map_err(io::Error::other)?;
        // A kernel that has no filters says so; any that has them takes this one.
        Ok(apply_filter(&filter).is_ok())
    }

    fn filter(arch: TargetArch) -> Result<BpfProgram, seccompiler::BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            CALLS.into_iter().map(|call| (call, Vec::new())).collect();
        let first_is = |value: u64| {
            let (length, equal) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
            SeccompRule::new(vec![SeccompCondition::new(0, length, equal, value)?])
        };
        for (call, descriptors) in STREAMS {
            let rules_of = descriptors.iter().map(|descriptor| first_is(*descriptor));
            rules.insert(call, rules_of.collect::<Result<_, _>>()?);
        }
        // To abort is to send oneself a signal.
        rules.insert(libc::SYS_tgkill, vec![first_is(std::process::id().into())?]);
        let (others, these) = (SeccompAction::KillProcess, SeccompAction::Allow);
        SeccompFilter::new(rules, others, these, arch)?.try_into()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn landlock() -> bool {
        false
    }

    pub(super) fn seccomp() -> std::io::Result<bool> {
        Ok(false)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{self, Command, ExitStatus};

    /// Set where this test runs itself: whom it is to signal.
    const WHOM: &str = "SURETY_TEST_SIGNALS";

    fn ends_by_signalling(whom: &str) -> ExitStatus {
        let own = "apart::confine::tests::it_signals_itself_and_nobody_else";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", own, "--nocapture"]).env(WHOM, whom);
        command.output().unwrap().status
    }

    #[test]
    fn it_signals_itself_and_nobody_else() {
        let Ok(whom) = std::env::var(WHOM) else {
            assert_eq!(ends_by_signalling("itself").signal(), Some(libc::SIGABRT));
            assert_eq!(ends_by_signalling("its parent").signal(), Some(libc::SIGSYS));
            return;
        };
        let parent = std::os::unix::process::parent_id();
        assert!(super::system::seccomp().unwrap());
        if whom == "itself" {
            process::abort();
        }
        #[allow(unsafe_code, reason = "no crate here has the call")]
        // SAFETY: takes numbers, and the signal 0 only asks whether there is somebody.
        unsafe {
            libc::syscall(libc::SYS_tgkill, parent, parent, 0);
        }
        process::exit(0);
    }
}
