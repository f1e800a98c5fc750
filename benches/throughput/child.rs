//! A process that is measured: its group, its time, its memory.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};
use tokio::time::Instant;

/// A running program with its children. All of them end when this is dropped, or when the benchmark
/// itself dies.
#[derive(Debug)]
pub(crate) struct Child {
    child: std::process::Child,
    group: Pid,
}

impl Child {
    /// Starts a program on one core. What it complains about goes to the file `log`.
    pub(crate) fn start(core: &str, program: &Path, arguments: &[&str], log: &Path) -> Self {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", "taskset", "-c", core])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .process_group(0)
            .spawn();
        let child = child.unwrap_or_else(|error| panic!("setpriv cannot be started: {error}"));
        let group = Pid::from_child(&child);
        Self { child, group }
    }

    /// The next line that the program prints.
    pub(crate) fn line(&mut self) -> String {
        let out = self.child.stdout.as_mut().unwrap();
        let mut line = String::new();
        // One line is all that is ever read, so what the reader holds ahead is no loss.
        BufReader::new(out).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the program ended before it was ready");
        line
    }

    /// Passes what the program prints to a file, so that it never waits for a reader.
    pub(crate) fn print_to(&mut self, path: &Path) {
        let mut out = self.child.stdout.take().unwrap();
        let mut file = File::create(path).unwrap();
        // Ends with the program, which closes its end.
        std::thread::spawn(move || drop(std::io::copy(&mut out, &mut file)));
    }

    /// Time of the processor that the program and its children have used.
    pub(crate) fn time(&self) -> Duration {
        let ticks: u64 = self.members().map(|stat| stat.ticks).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Bytes resident, with pages that several processes share counted in parts.
    pub(crate) fn memory(&self) -> u64 {
        self.members().map(|stat| resident(stat.id)).sum()
    }

    fn members(&self) -> impl Iterator<Item = Stat> {
        let group = self.group.as_raw_nonzero().get();
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Stat::read)
            .filter(move |stat| stat.group == group)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let until = Instant::now() + PATIENCE;
        let _ = kill_process_group(self.group, Signal::TERM);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        drop(self.child.wait());
    }
}

/// Allows this process, and all that it starts, as many open files as the machine does.
pub(crate) fn raise_limits() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// What is needed of `/proc/<id>/stat`.
#[derive(Debug)]
struct Stat {
    id: i32,
    group: i32,
    ticks: u64,
}

impl Stat {
    fn read(id: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |field: usize| fields.get(field - FIRST_FIELD)?.parse::<u64>().ok();
        let times = [14, 15, 16, 17].map(|field| number(field).unwrap_or(0));
        Some(Self {
            id,
            group: i32::try_from(number(5)?).ok()?,
            ticks: times.iter().sum(),
        })
    }
}

fn resident(id: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Field numbers of the manual begin before the parentheses.
const FIRST_FIELD: usize = 3;
/// Fixed by the kernel's interface on the platforms that are served.
const TICKS_PER_SECOND: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(5);
