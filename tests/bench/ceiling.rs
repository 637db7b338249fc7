//! The ceiling: the same bytes through a bare, preallocated log, one writer,
//! fdatasync after each batch. No store that keeps its word can be faster.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How long the log is written for each measurement.
const FOR: Duration = Duration::from_secs(2);

/// The log's size; the writer starts over at its end.
const LOG_BYTES: u64 = 256 << 20;

/// Records a second, each of `bytes`, `batch` of them a sync.
pub fn records_per_second(folder: &Path, bytes: usize, batch: usize) -> Result<f64> {
    let mut file = File::create(folder.join("ceiling.log"))?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..LOG_BYTES >> 20 {
        file.write_all(&zeros)?;
    }
    file.sync_all()?;
    file.rewind()?;
    let chunk = vec![7; bytes * batch];
    let (mut written, mut records) = (0, 0_usize);
    let started = Instant::now();
    while started.elapsed() < FOR {
        if written + chunk.len() as u64 > LOG_BYTES {
            file.seek(SeekFrom::Start(0))?;
            written = 0;
        }
        file.write_all(&chunk)?;
        file.sync_data()?;
        written += chunk.len() as u64;
        records += batch;
    }
    Ok(records as f64 / started.elapsed().as_secs_f64())
}
