//! What the processes of a run used of the machine, from proc(5).

use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr;

use anyhow::Context as _;
use serde::Serialize;

/// Clock ticks of a second in proc(5): `USER_HZ`, which is 100 on every Linux that this runs on.
const TICKS: f64 = 100.0;

/// A process that is watched, by a name for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) pid: u32,
}

/// CPU time that was used up to a moment, in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    machine: f64,
    generator: f64,
    watched: BTreeMap<String, f64>,
}

/// CPU time between two moments, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cpu {
    /// Of this process.
    pub(crate) generator: f64,
    /// Of those that are watched, by name.
    pub(crate) watched: BTreeMap<String, f64>,
    /// Of the kernel for nobody, and of everybody else: what has no part in the run.
    pub(crate) others: f64,
}

impl FromStr for Watched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a name and a process, such as pushd=1234");
        let (name, pid) = text.split_once('=').ok_or_else(wrong)?;
        let pid = pid.parse().map_err(|_| wrong())?;
        Ok(Self {
            name: name.to_owned(),
            pid,
        })
    }
}

impl Used {
    /// What was used up to now. A process that is gone has used nothing.
    pub(crate) fn now(watched: &[Watched]) -> anyhow::Result<Self> {
        let machine = read("/proc/stat")?;
        let mut sums = BTreeMap::new();
        for Watched { name, pid } in watched {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            *sums.entry(name.clone()).or_insert(0.0) += of_process(&stat).unwrap_or(0.0);
        }
        Ok(Self {
            machine: of_machine(&machine).context("/proc/stat is not as proc(5) says")?,
            generator: of_process(&read("/proc/self/stat")?).context("nor is /proc/self/stat")?,
            watched: sums,
        })
    }

    /// What was used from then to now, by processes that all still live.
    pub(crate) fn since(&self, then: &Self) -> Cpu {
        let less = |now: f64, then: f64| ((now - then).max(0.0) * 1000.0).round() / 1000.0;
        let of = |sums: &BTreeMap<String, f64>, name: &str| sums.get(name).copied().unwrap_or(0.0);
        let names = self.watched.keys();
        let watched: BTreeMap<_, _> = names
            .map(|name| {
                (
                    name.clone(),
                    less(of(&self.watched, name), of(&then.watched, name)),
                )
            })
            .collect();
        let generator = less(self.generator, then.generator);
        let ours = generator + watched.values().sum::<f64>();
        Cpu {
            generator,
            others: less(self.machine - then.machine, ours),
            watched,
        }
    }
}

/// Bytes of memory of a process, what it shares divided by those who share it (PSS).
pub(crate) fn memory(pid: u32) -> anyhow::Result<u64> {
    let rollup = read(&format!("/proc/{pid}/smaps_rollup"))?;
    pss(&rollup).with_context(|| format!("/proc/{pid}/smaps_rollup tells no PSS"))
}

/// Memory and open files of all processes that are watched by this name.
pub(crate) fn held_by(watched: &[Watched], name: &str) -> anyhow::Result<(u64, usize)> {
    let (mut bytes, mut open) = (0, 0);
    for watched in watched.iter().filter(|watched| watched.name == name) {
        bytes += memory(watched.pid)?;
        open += files(watched.pid)?;
    }
    Ok((bytes, open))
}

/// Open files of a process.
pub(crate) fn files(pid: u32) -> anyhow::Result<usize> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).with_context(|| path)?.count())
}

/// The name of a process.
pub(crate) fn name(pid: i32) -> anyhow::Result<String> {
    Ok(read(&format!("/proc/{pid}/comm"))?.trim_end().to_owned())
}

/// The load average of the last minute.
pub(crate) fn load_average() -> anyhow::Result<f64> {
    let text = read("/proc/loadavg")?;
    let first = text.split(' ').next().and_then(|first| first.parse().ok());
    first.context("/proc/loadavg is not as proc(5) says")
}

/// Cores of the machine that may be used.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// User and system time of a process: fields 14 and 15, of which the second may have spaces and
/// parentheses in it.
fn of_process(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// All time of all cores that was not idle: user, nice, system, interrupts, and what a hypervisor
/// gave to others; waiting for a disk is idle.
fn of_machine(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
    let ticks = ticks.ok()?;
    let busy = [0, 1, 2, 5, 6, 7]
        .into_iter()
        .filter_map(|place| ticks.get(place));
    Some(busy.sum::<f64>() / TICKS)
}

fn pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_proc_are_read() {
        let stat = "17 (a) R (b) S 1 17 17 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 5 6 7";
        assert_eq!(of_process(stat), Some(3.0));
        let stat = "cpu  100 10 50 5000 300 1 2 7 40 50\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(of_machine(stat), Some(1.7));
        assert_eq!(
            pss("55d-7ff ---p 00000000 00:00 0 [rollup]\nRss: 9 kB\nPss:    321 kB\n"),
            Some(328_704)
        );
        for none in [
            of_process("17 (pushd"),
            of_machine("cpu x"),
            pss("Rss: 9 kB").map(|_| 0.0),
        ] {
            assert_eq!(none, None);
        }
    }

    #[test]
    fn what_is_left_was_used_by_others() {
        let used = |machine, generator, pushd| Used {
            machine,
            generator,
            watched: BTreeMap::from([("pushd".to_owned(), pushd)]),
        };
        let cpu = used(10.0, 3.0, 4.0).since(&used(2.0, 1.0, 1.0));
        let watched = BTreeMap::from([("pushd".to_owned(), 3.0)]);
        assert_eq!(
            cpu,
            Cpu {
                generator: 2.0,
                watched,
                others: 3.0
            }
        );
    }

    #[test]
    fn this_process_is_there() {
        let pid = std::process::id();
        assert!(memory(pid).unwrap() > 0);
        assert!(files(pid).unwrap() > 0);
        assert!(load_average().unwrap() >= 0.0);
        Used::now(&["me=1".parse().unwrap()]).unwrap();
        assert!("pushd".parse::<Watched>().is_err());
    }
}
