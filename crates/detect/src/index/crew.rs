//! The crew of an import: one reads files into batches, the others parse them and cut them into pieces, and what they made is
//! taken in the order in which it was read. So an import uses every core and comes out the same each time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use crate::error::DetectError;
use crate::index::intake::{Intake, Item, Limits};
use crate::index::piece::{Places, Scratch, cut};
use crate::osv::record::{Moment, Record};

const NOT_OSV: &str = "give OSV records only (https://ossf.github.io/osv-schema/), one JSON object each";

/// Bytes of a batch, more or less.
const BATCH: usize = 256 << 10;
const MOST_WORKERS: usize = 8;
/// Batches under way for each worker.
const AHEAD: usize = 3;

/// What was read: names and bytes, one behind the other.
#[derive(Debug, Default)]
struct Batch {
    names: String,
    bytes: Vec<u8>,
    items: Vec<Read>,
}

/// Where a name and the bytes of a record end, and why it is none, if so.
#[derive(Debug)]
struct Read {
    name: usize,
    bytes: usize,
    skipped: Option<String>,
}

/// What was made of a batch.
#[derive(Debug, Default)]
pub struct Made {
    pub records: Vec<Summary>,
    /// What was left out, whole or in part, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// The pieces of all records, one behind the other.
    pub bytes: Vec<u8>,
    /// The ecosystem of each, as a place of `ECOSYSTEMS`, and where it ends.
    pub pieces: Vec<(u8, usize)>,
}

/// A record that was read.
#[derive(Clone, Debug)]
pub struct Summary {
    pub id: String,
    pub modified: Moment,
    pub withdrawn: bool,
    pub ecosystems: u64,
    /// How many of the pieces are its.
    pub pieces: usize,
}

type Take<'a> = &'a mut dyn FnMut(&Made) -> Result<(), DetectError>;

/// A batch, its number, and memory for what is made of it.
struct Job {
    number: u64,
    batch: Batch,
    made: Made,
}

/// Reads everything and hands over what was made of it, in the order in which it was read. The first error in that order
/// ends it.
pub fn work(paths: &[PathBuf], limits: &Limits, take: Take<'_>) -> Result<(), DetectError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    let (jobs, waiting) = channel();
    let (done, results) = channel();
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            let (waiting, done) = (&waiting, done.clone());
            scope.spawn(move || labour(waiting, &done));
        }
        drop(done);
        let mut foreman = Foreman::new(jobs, results, cores * AHEAD, take);
        let mut batch = Batch::default();
        let mut read = Ok(());
        let mut put = |item: Item<'_>| {
            batch.put(item);
            if batch.bytes.len() >= BATCH { foreman.send(&mut batch) } else { Ok(()) }
        };
        let mut intake = Intake::new(limits, &mut put);
        for path in paths {
            read = intake.read(path);
            if read.is_err() {
                break;
            }
        }
        // What was read before an error may hold an earlier one.
        foreman.send(&mut batch).and_then(|()| foreman.finish()).and(read)
    })
}

impl Batch {
    fn put(&mut self, item: Item<'_>) {
        let (name, bytes, skipped) = match item {
            Item::Record { name, bytes } => (name, bytes, None),
            Item::Skipped { name, why } => (name, &[][..], Some(why.to_owned())),
        };
        self.names.push_str(name);
        self.bytes.extend_from_slice(bytes);
        self.items.push(Read { name: self.names.len(), bytes: self.bytes.len(), skipped });
    }

    fn clear(&mut self) {
        self.names.clear();
        self.bytes.clear();
        self.items.clear();
    }
}

/// Sends batches out and takes what comes back.
struct Foreman<'a> {
    jobs: Option<Sender<Job>>,
    results: Receiver<(Job, Result<(), DetectError>)>,
    /// How many may be under way.
    most: u64,
    sent: u64,
    taken: u64,
    /// What came back before what was sent earlier.
    early: BTreeMap<u64, (Job, Result<(), DetectError>)>,
    spare: Vec<Job>,
    take: Take<'a>,
}

impl<'a> Foreman<'a> {
    fn new(
        jobs: Sender<Job>,
        results: Receiver<(Job, Result<(), DetectError>)>,
        most: usize,
        take: Take<'a>,
    ) -> Self {
        let most = most as u64;
        Self {
            jobs: Some(jobs),
            results,
            most,
            sent: 0,
            taken: 0,
            early: BTreeMap::new(),
            spare: Vec::new(),
            take,
        }
    }

    /// Sends the batch out, and leaves an empty one in its place.
    fn send(&mut self, batch: &mut Batch) -> Result<(), DetectError> {
        while self.sent - self.taken >= self.most {
            self.take_next()?;
        }
        let (spare, made) = self.spare.pop().map(|job| (job.batch, job.made)).unwrap_or_default();
        let job = Job { number: self.sent, batch: std::mem::replace(batch, spare), made };
        batch.clear();
        self.sent += 1;
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        assert!(sent, "workers wait until nothing more can come");
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DetectError> {
        self.jobs = None;
        while self.taken < self.sent {
            self.take_next()?;
        }
        Ok(())
    }

    fn take_next(&mut self) -> Result<(), DetectError> {
        let (job, result) = loop {
            if let Some(next) = self.early.remove(&self.taken) {
                break next;
            }
            let (job, result) = self.results.recv().expect("no worker panics");
            self.early.insert(job.number, (job, result));
        };
        self.taken += 1;
        result?;
        (self.take)(&job.made)?;
        self.spare.push(job);
        Ok(())
    }
}

fn labour(waiting: &Mutex<Receiver<Job>>, done: &Sender<(Job, Result<(), DetectError>)>) {
    let mut scratch = Scratch::default();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut job) = next else { return };
        let result = job.made.make(&job.batch, &mut scratch);
        // When nobody waits for it, an earlier one was in error.
        if done.send((job, result)).is_err() {
            return;
        }
    }
}

impl Made {
    fn make(&mut self, batch: &Batch, scratch: &mut Scratch) -> Result<(), DetectError> {
        self.records.clear();
        self.skipped.clear();
        self.bytes.clear();
        self.pieces.clear();
        let (mut name_start, mut start) = (0, 0);
        for item in &batch.items {
            let name = &batch.names[name_start..item.name];
            match &item.skipped {
                Some(why) => self.skipped.push((name.to_owned(), why.clone())),
                None => self.record(name, &batch.bytes[start..item.bytes], scratch)?,
            }
            (name_start, start) = (item.name, item.bytes);
        }
        Ok(())
    }

    /// Reads the text of a record, and leaves out what is not kept.
    pub fn record(&mut self, name: &str, bytes: &[u8], scratch: &mut Scratch) -> Result<(), DetectError> {
        let mut record = Record::parse(bytes).map_err(|error| not_osv(name, &error))?;
        if let Some(why) = cut_to_kept(&mut record) {
            self.skipped.push((name.to_owned(), why));
        }
        self.put(&record, scratch);
        Ok(())
    }

    /// Cuts a record into pieces. One without any stays as a summary, because it may take the place of an older one.
    pub fn put(&mut self, record: &Record<'_>, scratch: &mut Scratch) {
        let before = self.pieces.len();
        let ecosystems = cut(record, &mut self.bytes, &mut self.pieces, scratch);
        self.records.push(Summary {
            id: record.id.to_string(),
            modified: record.modified,
            withdrawn: record.withdrawn.is_some(),
            ecosystems,
            pieces: self.pieces.len() - before,
        });
    }
}

/// Takes out what is not kept, and says what that was.
fn cut_to_kept(record: &mut Record<'_>) -> Option<String> {
    if record.affected.is_empty() {
        return Some("it names no package".to_owned());
    }
    let mut places = Places::default();
    if record.affected.iter().all(|part| places.bit(part) != 0) {
        return None;
    }
    let mut left_out: Vec<String> = Vec::new();
    record.affected.retain(|part| {
        let kept = Places::default().bit(part) != 0;
        let ecosystem = part.package.as_ref().map(|named| &*named.ecosystem);
        let name = ecosystem.unwrap_or("commits without a package");
        if !kept && left_out.len() < 10 && !left_out.iter().any(|known| known == name) {
            left_out.push(name.chars().filter(|character| !character.is_control()).take(60).collect());
        }
        kept
    });
    let whole = if record.affected.is_empty() { "" } else { "in part: " };
    Some(format!("{whole}there is no order here for {}", left_out.join(", ")))
}

fn not_osv(name: &str, error: &dyn std::error::Error) -> DetectError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    DetectError::Import { name: name.to_owned(), what: format!("{error}{cause}"), hint: NOT_OSV }
}
