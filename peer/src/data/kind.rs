//! The kind of a file by its first bytes, when it is not the expected one.

/// Bytes that are looked at.
pub(crate) const HEAD: usize = 512;

/// A kind of file that people have in the place of another, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// As a noun.
    pub(crate) name: &'static str,
    /// Advice.
    pub(crate) advice: &'static str,
}

const fn kind(name: &'static str, advice: &'static str) -> Option<Kind> {
    Some(Kind { name, advice })
}

/// Kinds that are texts as well, and may be meant.
pub(crate) const WEB_PAGE: Kind = Kind {
    name: "a web page",
    advice: "fetch the file itself: a link to a page about it, or to a login, was followed",
};

const TO_SAFETENSORS: &str =
    "load it in Python and write its tensors with safetensors.torch.save_file or safetensors.numpy.save_file";

/// The kind of a file that begins so; none when nothing speaks for one.
pub(crate) fn of(head: &[u8]) -> Option<Kind> {
    match head {
        _ if head.starts_with(b"version https://git-lfs.github.com/spec/") => kind(
            "a pointer of Git LFS, which stands for the file",
            "run `git lfs pull` in the repository that it comes from",
        ),
        [0x1f, 0x8b, ..] => kind("gzip", "give it a name that ends in .gz, or unpack it with gunzip"),
        [b'B', b'Z', b'h', ..] => kind("bzip2", "unpack it with bunzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => kind("xz", "unpack it with unxz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => kind("zstd", "unpack it with unzstd"),
        _ if head.starts_with(b"PK\x03\x04") => zip(head),
        [0x80, 2..=5, ..] => kind("a pickle of Python", TO_SAFETENSORS),
        _ if head.starts_with(b"\x93NUMPY") => kind("an array of NumPy (.npy)", TO_SAFETENSORS),
        _ if head.starts_with(b"\x89HDF\r\n") => kind("HDF5", TO_SAFETENSORS),
        _ if head.starts_with(b"PAR1") => kind(
            "Parquet",
            "write it as CSV, for example with pandas' to_csv(index=False)",
        ),
        _ if head.starts_with(b"\xd0\xcf\x11\xe0") => kind("an Excel workbook (.xls)", "save it as CSV"),
        _ if is_html(head) => Some(WEB_PAGE),
        _ if is_utf16(head) => kind("UTF-16", "convert it with `iconv -f UTF-16 -t UTF-8`"),
        _ => None,
    }
}

fn zip(head: &[u8]) -> Option<Kind> {
    let has = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    if has(b"data.pkl") || has(b"/version") || has(b"archive/") {
        return kind("a model or tensors as PyTorch saves them (.pt, .pth)", TO_SAFETENSORS);
    }
    if has(b".npy") {
        return kind("arrays of NumPy (.npz)", TO_SAFETENSORS);
    }
    if has(b"[Content_Types].xml") || has(b"xl/") {
        return kind("an Excel workbook (.xlsx)", "save it as CSV");
    }
    kind("a zip archive", "unpack it")
}

fn is_html(head: &[u8]) -> bool {
    let text = head.trim_ascii_start();
    let text = text.get(..14).unwrap_or(text).to_ascii_lowercase();
    text.starts_with(b"<!doctype html") || text.starts_with(b"<html")
}

/// Whether this is UTF-16: by its byte-order mark, or since every other byte of Latin text is 0.
fn is_utf16(head: &[u8]) -> bool {
    if matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return true;
    }
    let pairs = head.as_chunks::<2>().0;
    let all = |zero: usize| pairs.iter().all(|pair| pair[zero] == 0 && pair[1 - zero] != 0);
    pairs.len() >= 4 && (all(0) || all(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (head, name) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"[..],
                "Git LFS",
            ),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"PK\x03\x04\0\0archive/data.pkl", "PyTorch"),
            (b"PK\x03\x04\0\0arr_0.npy", "npz"),
            (b"PK\x03\x04\0\0[Content_Types].xml", "xlsx"),
            (b"PK\x03\x04\0\0a.txt", "zip"),
            (b"\x80\x04\x95", "pickle"),
            (b"\x93NUMPY\x01\0", "npy"),
            (b"\n <!DOCTYPE html><html>", "web page"),
            (b"\xff\xfea\0,\0", "UTF-16"),
            (b"a\0,\0b\0\n\0", "UTF-16"),
            (b"\0a\0,\0b\0\n", "UTF-16"),
        ] {
            let found = of(head).unwrap();
            assert!(found.name.contains(name), "{name}: {found:?}");
        }
        for none in [
            &b""[..],
            b"a,b\n1,2\n",
            b"\0\0\x08\x03\0\0\0\x05",
            b"<p>",
            b"{}",
            b"\x08\0\0\0\0\0\0\0{}",
            "ä".as_bytes(),
        ] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
