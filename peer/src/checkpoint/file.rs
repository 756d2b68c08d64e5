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
    io::{self, BufReader, Read, Write},
    path::Path,
};

use fltorrent_swarm::{EvaluationCounts, StopRecord};

use super::{Folder, Header, ReadError, WriteError, name, path};

const MAGIC: [u8; 8] = *b"FLTCKPT\x01";
/// Bytes before the parameters.
const HEADER: usize = 118;
const CHECKSUM: u64 = 32;
/// Parameters that are converted at once.
const BLOCK: usize = 16 * 1024;

/// Writes a checkpoint under its name: into a file beside it, flushed to the disk, then renamed, then the folder flushed. At
/// every moment the name has nothing, the old file or the new one.
///
/// # Errors
/// When the system refuses; what was begun is removed.
pub fn write(folder: &Folder, header: &Header, parameters: &[f32]) -> Result<(), WriteError> {
    // One name for all rounds of a peer, so that a process that is killed here leaves at most one file.
    let temporary = format!(".peer-{}.checkpoint", header.peer);
    let name = name(header.peer, header.rounds);
    let written = write_whole(folder, &temporary, header, parameters).and_then(|()| folder.rename(&temporary, &name));
    written.map_err(|source| {
        folder.remove(&temporary).ok();
        WriteError {
            path: path(folder, header.peer, header.rounds),
            source,
        }
    })
}

fn write_whole(folder: &Folder, name: &str, header: &Header, parameters: &[f32]) -> io::Result<()> {
    let mut file = folder.create(name)?;
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

/// Reads a peer's checkpoint of a model of so many parameters. The file's length is compared first, so that no memory is taken
/// for anything else.
///
/// # Errors
/// When it is not there, not whole, or not what its name says.
pub fn read(folder: &Folder, peer: u32, rounds: u32, parameters: u64) -> Result<(Header, Vec<f32>), ReadError> {
    let mut values = Vec::new();
    let header = scan(folder, peer, rounds, parameters, |block| {
        if values.is_empty() {
            values.reserve_exact(parameters as usize);
        }
        let (elements, _) = block.as_chunks::<4>();
        values.extend(elements.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    })?;
    Ok((header, values))
}

/// Reads a peer's checkpoint and checks all of it without keeping the parameters.
///
/// # Errors
/// As [`read`].
pub fn verify(folder: &Folder, peer: u32, rounds: u32, parameters: u64) -> Result<Header, ReadError> {
    scan(folder, peer, rounds, parameters, |_| ())
}

fn scan(
    folder: &Folder,
    peer: u32,
    rounds: u32,
    parameters: u64,
    take: impl FnMut(&[u8]),
) -> Result<Header, ReadError> {
    let path = path(folder, peer, rounds);
    let file = folder
        .read(&name(peer, rounds))
        .and_then(|file| Ok((file.metadata()?.len(), file)));
    let (found, file) = match file {
        Ok(file) => file,
        Err(source) => return Err(ReadError::Read { path, source }),
    };
    let expected = HEADER as u64 + 4 * parameters + CHECKSUM;
    if found != expected {
        return Err(ReadError::Length { path, found, expected });
    }
    let header = content(&path, BufReader::new(file), parameters, take)?;
    if (header.peer, header.rounds) == (peer, rounds) && rounds > 0 {
        return Ok(header);
    }
    Err(ReadError::Renamed {
        path,
        peer: header.peer,
        rounds: header.rounds,
    })
}

fn content(
    path: &Path,
    mut file: impl Read,
    parameters: u64,
    mut take: impl FnMut(&[u8]),
) -> Result<Header, ReadError> {
    let failed = |source| ReadError::Read {
        path: path.to_owned(),
        source,
    };
    let (mut hasher, mut model) = (blake3::Hasher::new(), blake3::Hasher::new());
    let mut head = [0; HEADER];
    file.read_exact(&mut head).map_err(failed)?;
    hasher.update(&head);
    let form = || ReadError::Form { path: path.to_owned() };
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
        model.update(bytes);
        take(bytes);
        left -= length;
    }
    let mut checksum = [0; CHECKSUM as usize];
    file.read_exact(&mut checksum).map_err(failed)?;
    let path = path.to_owned();
    if checksum != *hasher.finalize().as_bytes() {
        return Err(ReadError::Damaged { path });
    }
    if header.model != *model.finalize().as_bytes() {
        return Err(ReadError::Model { path });
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
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::train::model_hash;

    /// Of peer 3 after 8 rounds, with these parameters.
    pub(crate) fn header(parameters: &[f32]) -> Header {
        Header {
            peer: 3,
            rounds: 8,
            plan: [1; 32],
            model: model_hash(parameters),
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

    fn place() -> (TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path());
        (place, folder)
    }

    #[test]
    fn what_was_written_is_read_again_bit_for_bit() {
        let (place, folder) = place();
        let values: Vec<f32> = (0..40_000).map(|at| (at as f32).sqrt() - 7.0).collect();
        let other = Header {
            stop: StopRecord::default(),
            converged: true,
            ..header(&values[..1])
        };
        for (header, values) in [(header(&values), &values[..]), (other, &values[..1])] {
            // The second one replaces the first.
            write(&folder, &header, values).unwrap();
            let read = read(&folder, 3, 8, values.len() as u64).unwrap();
            assert_eq!(read, (header, values.to_vec()));
            let verified = verify(&folder, 3, 8, values.len() as u64).unwrap();
            assert_eq!(verified, header);
            let length = fs::metadata(path(&folder, 3, 8)).unwrap().len();
            assert_eq!(length, HEADER as u64 + 4 * values.len() as u64 + CHECKSUM);
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_changed_byte_and_every_other_length_is_noticed() {
        let (_place, folder) = place();
        let values = [1.0, 2.0, 3.0];
        write(&folder, &header(&values), &values).unwrap();
        let path = path(&folder, 3, 8);
        let verify = |parameters| verify(&folder, 3, 8, parameters);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let error = verify(3).unwrap_err();
            assert!(
                matches!(error, ReadError::Damaged { .. } | ReadError::Form { .. }),
                "byte {at}: {error}"
            );
            fs::write(&path, &whole[..at]).unwrap();
            let error = verify(3).unwrap_err();
            assert!(matches!(error, ReadError::Length { .. }), "{at} bytes: {error}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(matches!(verify(4), Err(ReadError::Length { .. })));
        // A length that fits by chance does not make another model's file one of this.
        let mut counted = whole.clone();
        counted[110] = 4;
        fs::write(&path, &counted).unwrap();
        assert!(matches!(verify(3), Err(ReadError::Form { .. })));
        let longer = [&whole[..], &[0; 4]].concat();
        fs::write(&path, longer).unwrap();
        assert!(matches!(verify(3), Err(ReadError::Length { .. })));
    }

    #[test]
    fn parameters_of_another_model_than_the_header_names_are_refused() {
        let (_place, folder) = place();
        write(&folder, &header(&[1.0, 2.0]), &[1.0, 3.0]).unwrap();
        let error = verify(&folder, 3, 8, 2).unwrap_err();
        assert!(matches!(error, ReadError::Model { .. }), "{error}");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_and_the_old_file_stays() {
        let nowhere = Folder::at(Path::new("/proc/nowhere"));
        let error = write(&nowhere, &header(&[1.0]), &[1.0]).unwrap_err();
        assert!(error.to_string().contains("/proc/nowhere/"), "{error}");
        let (place, folder) = place();
        write(&folder, &header(&[1.0]), &[1.0]).unwrap();
        // The name of the temporary file is taken by a folder.
        fs::create_dir(place.path().join(".peer-3.checkpoint")).unwrap();
        write(&folder, &header(&[2.0]), &[2.0]).unwrap_err();
        assert_eq!(read(&folder, 3, 8, 1).unwrap().1, [1.0]);
    }

    #[test]
    fn links_that_others_have_laid_are_neither_read_nor_written_through() {
        use std::os::unix::fs::symlink;
        let (place, folder) = place();
        let (elsewhere, other) = self::place();
        write(&other, &header(&[1.0]), &[1.0]).unwrap();
        symlink(path(&other, 3, 8), path(&folder, 3, 8)).unwrap();
        let error = verify(&folder, 3, 8, 1).unwrap_err();
        let said = crate::chain(&error);
        assert!(said.contains("is a link"), "{said}");
        let target = elsewhere.path().join("precious");
        fs::write(&target, "precious").unwrap();
        symlink(&target, place.path().join(".peer-3.checkpoint")).unwrap();
        write(&folder, &header(&[2.0]), &[2.0]).unwrap();
        assert_eq!(fs::read_to_string(target).unwrap(), "precious");
        assert_eq!(read(&folder, 3, 8, 1).unwrap().1, [2.0]);
        assert_eq!(read(&other, 3, 8, 1).unwrap().1, [1.0]);
    }
}
