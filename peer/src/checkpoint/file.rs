//! One checkpoint's bytes, all numbers little-endian:
//!
//! ```text
//! 8   "FLTCKPT" and the version of the form, 1
//! 4   peer                     4   finished rounds
//! 32  resume hash of the plan  32  BLAKE3 of the parameters
//! 4   correct   4  total   8  sum of losses (f64)
//! 1   whether there is a best accuracy   8  the best accuracy (f64)   4  rounds without a better one
//! 1   whether the run had converged
//! 8   parameters
//! 4 each: the parameters (f32)
//! 32  BLAKE3 of all before
//! ```

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::Path,
};

use fltorrent_swarm::{EvaluationCounts, StopRecord};

use super::{Header, ReadError, WriteError};

const MAGIC: [u8; 8] = *b"FLTCKPT\x01";
/// Bytes before the parameters.
const HEADER: usize = 118;
const CHECKSUM: u64 = 32;
/// Parameters that are converted at once.
const BLOCK: usize = 16 * 1024;

/// Writes a checkpoint: into a file beside it, flushed to the disk, then renamed, then the folder flushed. At every moment
/// the path has nothing, the old file or the new one.
///
/// # Errors
/// When the system refuses; what was begun is removed.
pub fn write(path: &Path, header: &Header, parameters: &[f32]) -> Result<(), WriteError> {
    // One name for all rounds of a peer, so that a process that is killed here leaves at most one file.
    let temporary = path.with_file_name(format!(".peer-{}.checkpoint", header.peer));
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let written = write_whole(&temporary, header, parameters)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(folder)?.sync_all());
    written.map_err(|source| {
        fs::remove_file(&temporary).ok();
        WriteError {
            path: path.to_owned(),
            source,
        }
    })
}

fn write_whole(path: &Path, header: &Header, parameters: &[f32]) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        file.write_all(bytes)
    };
    put(&encode(header, parameters.len() as u64))?;
    for block in parameters.chunks(BLOCK) {
        put(&crate::train::little_endian(block))?;
    }
    let checksum = *hasher.finalize().as_bytes();
    file.write_all(&checksum)?;
    file.sync_all()
}

/// Reads a checkpoint of a model of so many parameters. The file's length is compared first, so that no memory is taken for
/// anything else.
///
/// # Errors
/// When it is not there, not whole, or not one.
pub fn read(path: &Path, parameters: u64) -> Result<(Header, Vec<f32>), ReadError> {
    let mut values = Vec::new();
    let header = scan(path, parameters, |block| {
        if values.is_empty() {
            values.reserve_exact(parameters as usize);
        }
        let (elements, _) = block.as_chunks::<4>();
        values.extend(elements.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    })?;
    Ok((header, values))
}

/// Reads a checkpoint and checks all of it without keeping the parameters.
///
/// # Errors
/// As [`read`].
pub fn verify(path: &Path, parameters: u64) -> Result<Header, ReadError> {
    scan(path, parameters, |_| ())
}

fn scan(path: &Path, parameters: u64, mut take: impl FnMut(&[u8])) -> Result<Header, ReadError> {
    let failed = |source| ReadError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?.len();
    let expected = HEADER as u64 + 4 * parameters + CHECKSUM;
    if found != expected {
        return Err(ReadError::Length {
            path: path.to_owned(),
            found,
            expected,
        });
    }
    let mut file = BufReader::new(file);
    let mut hasher = blake3::Hasher::new();
    let mut head = [0; HEADER];
    file.read_exact(&mut head).map_err(failed)?;
    hasher.update(&head);
    let form = || ReadError::Form {
        path: path.to_owned(),
    };
    let (header, counted) = decode(&head).ok_or_else(form)?;
    if counted != parameters {
        return Err(form());
    }
    let mut block = vec![0; 4 * BLOCK];
    let mut left = 4 * parameters as usize;
    while left > 0 {
        let length = left.min(block.len());
        let bytes = &mut block[..length];
        file.read_exact(bytes).map_err(failed)?;
        hasher.update(bytes);
        take(bytes);
        left -= length;
    }
    let mut checksum = [0; CHECKSUM as usize];
    file.read_exact(&mut checksum).map_err(failed)?;
    if checksum != *hasher.finalize().as_bytes() {
        return Err(ReadError::Damaged {
            path: path.to_owned(),
        });
    }
    Ok(header)
}

fn encode(header: &Header, parameters: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER);
    out.extend(MAGIC);
    out.extend(header.peer.to_le_bytes());
    out.extend(header.rounds.to_le_bytes());
    out.extend(header.plan);
    out.extend(header.model);
    out.extend(header.evaluation.correct.to_le_bytes());
    out.extend(header.evaluation.total.to_le_bytes());
    out.extend(header.evaluation.loss_sum.to_le_bytes());
    out.push(u8::from(header.stop.best.is_some()));
    out.extend(header.stop.best.unwrap_or(0.0).to_le_bytes());
    out.extend(header.stop.stale.to_le_bytes());
    out.push(u8::from(header.converged));
    out.extend(parameters.to_le_bytes());
    out
}

/// The header and the number of parameters; none when the bytes are something else.
fn decode(bytes: &[u8; HEADER]) -> Option<(Header, u64)> {
    let mut left = &bytes[..];
    if take::<8>(&mut left)? != MAGIC {
        return None;
    }
    let header = Header {
        peer: u32::from_le_bytes(take(&mut left)?),
        rounds: u32::from_le_bytes(take(&mut left)?),
        plan: take(&mut left)?,
        model: take(&mut left)?,
        evaluation: EvaluationCounts {
            correct: u32::from_le_bytes(take(&mut left)?),
            total: u32::from_le_bytes(take(&mut left)?),
            loss_sum: f64::from_le_bytes(take(&mut left)?),
        },
        stop: {
            let is_there = flag(&mut left)?;
            let best = f64::from_le_bytes(take(&mut left)?);
            StopRecord {
                best: is_there.then_some(best),
                stale: u32::from_le_bytes(take(&mut left)?),
            }
        },
        converged: flag(&mut left)?,
    };
    Some((header, u64::from_le_bytes(take(&mut left)?)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}

fn flag(bytes: &mut &[u8]) -> Option<bool> {
    match take(bytes)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn header() -> Header {
        Header {
            peer: 3,
            rounds: 8,
            plan: [1; 32],
            model: [2; 32],
            evaluation: EvaluationCounts {
                correct: 90,
                total: 100,
                loss_sum: 12.5,
            },
            stop: StopRecord {
                best: Some(0.1 + 0.2),
                stale: 4,
            },
            converged: false,
        }
    }

    #[test]
    fn what_was_written_is_read_again_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        let values: Vec<f32> = (0..40_000).map(|at| (at as f32).sqrt() - 7.0).collect();
        let other = Header {
            stop: StopRecord::default(),
            converged: true,
            ..header()
        };
        for (header, values) in [(header(), &values[..]), (other, &values[..1])] {
            // The second one replaces the first.
            write(&path, &header, values).unwrap();
            let read = read(&path, values.len() as u64).unwrap();
            assert_eq!(read, (header, values.to_vec()));
            assert_eq!(verify(&path, values.len() as u64).unwrap(), header);
            let length = fs::metadata(&path).unwrap().len();
            assert_eq!(length, HEADER as u64 + 4 * values.len() as u64 + CHECKSUM);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_changed_byte_and_every_other_length_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        write(&path, &header(), &[1.0, 2.0, 3.0]).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let error = verify(&path, 3).unwrap_err();
            assert!(
                matches!(error, ReadError::Damaged { .. } | ReadError::Form { .. }),
                "byte {at}: {error}"
            );
            fs::write(&path, &whole[..at]).unwrap();
            let error = verify(&path, 3).unwrap_err();
            assert!(
                matches!(error, ReadError::Length { .. }),
                "{at} bytes: {error}"
            );
        }
        fs::write(&path, &whole).unwrap();
        assert!(matches!(verify(&path, 4), Err(ReadError::Length { .. })));
        // A length that fits by chance does not make another model's file one of this.
        let mut counted = whole.clone();
        counted[110] = 4;
        fs::write(&path, &counted).unwrap();
        assert!(matches!(verify(&path, 3), Err(ReadError::Form { .. })));
        let longer = [&whole[..], &[0; 4]].concat();
        fs::write(&path, longer).unwrap();
        assert!(matches!(verify(&path, 3), Err(ReadError::Length { .. })));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_and_the_old_file_stays() {
        let error = write(Path::new("/proc/nowhere/c"), &header(), &[1.0]).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere/c"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        write(&path, &header(), &[1.0]).unwrap();
        // The name of the temporary file is taken by a folder.
        fs::create_dir(folder.path().join(".peer-3.checkpoint")).unwrap();
        write(&path, &header(), &[2.0]).unwrap_err();
        assert_eq!(read(&path, 1).unwrap().1, [1.0]);
    }
}
