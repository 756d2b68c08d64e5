//! Files by URL, against a server on this machine that serves, redirects, lies and breaks off.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use fltorrent_peer::data::fetch::{Cache, FetchError};
use tempfile::TempDir;

/// The SHA-256 of `abc` in FIPS 180-4's example.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Answers requests until the process ends; gives its address and the number of requests.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let (own, counted) = (base.clone(), Arc::clone(&requests));
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            let count = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let base = own.clone();
            thread::spawn(move || answer(stream, &base, count));
        }
    });
    (base, requests)
}

fn answer(mut stream: TcpStream, base: &str, count: usize) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let head = |status: &str, more: &str| format!("HTTP/1.1 {status}\r\n{more}Connection: close\r\n\r\n");
    let response = match path {
        "/abc" => head("200 OK", "Content-Length: 3\r\n") + "abc",
        "/open-ended" => head("200 OK", "") + "abc",
        "/moved" => head("302 Found", &format!("Location: {base}/abc\r\nContent-Length: 0\r\n")),
        "/round" => head("302 Found", &format!("Location: {base}/round\r\nContent-Length: 0\r\n")),
        "/cut" => head("200 OK", "Content-Length: 30\r\n") + "abc",
        "/silent" => head("200 OK", "Content-Length: 30\r\n") + "abc",
        "/busy" if count > 2 => head("200 OK", "Content-Length: 3\r\n") + "abc",
        "/busy" | "/always-busy" => head("503 Service Unavailable", "Retry-After: 0\r\nContent-Length: 0\r\n"),
        "/too-many" if count > 1 => head("200 OK", "Content-Length: 3\r\n") + "abc",
        "/too-many" => head("429 Too Many Requests", "Retry-After: 0\r\nContent-Length: 0\r\n"),
        "/closed-today" => head("503 Service Unavailable", "Retry-After: 36000\r\nContent-Length: 0\r\n"),
        "/large" => head("200 OK", "Content-Length: 1000\r\n") + &"x".repeat(1000),
        "/secretly-large" => head("200 OK", "") + &"x".repeat(1000),
        _ => head("404 Not Found", "Content-Length: 0\r\n"),
    };
    stream.write_all(response.as_bytes()).ok();
    if path == "/silent" {
        // Until the client has gone.
        stream.read_to_end(&mut Vec::new()).ok();
    }
}

fn fetch(path: &str) -> (TempDir, Result<std::path::PathBuf, FetchError>) {
    let folder = TempDir::new().unwrap();
    let cache = Cache::new(folder.path().join("cache"), 100);
    let (base, _) = server();
    let fetched = cache.file(&format!("{base}{path}"), ABC);
    (folder, fetched)
}

#[test]
fn a_file_comes_once_and_again_when_it_was_damaged() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::new(folder.path().join("a/cache"), 100);
    let (base, requests) = server();
    let url = format!("{base}/abc");
    let path = cache.file(&url, ABC).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abc");
    assert_eq!(cache.file(&url, ABC).unwrap(), path);
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    fs::write(&path, b"abd").unwrap();
    assert_eq!(fs::read(cache.file(&url, ABC).unwrap()).unwrap(), b"abc");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[test]
fn redirects_and_answers_without_a_length_are_followed_to_the_end() {
    for path in ["/moved", "/open-ended"] {
        let (_folder, fetched) = fetch(path);
        assert_eq!(fs::read(fetched.unwrap()).unwrap(), b"abc", "{path}");
    }
}

#[test]
fn faults_are_named_and_leave_no_file() {
    for (path, expected) in [
        ("/nothing", "/nothing: the server answered 404 Not Found: check the URL"),
        ("/round", "/round: cannot be fetched: check the URL"),
        ("/large", "/large: is larger than 100 bytes"),
        ("/secretly-large", "/secretly-large: is larger than 100 bytes"),
    ] {
        let (folder, fetched) = fetch(path);
        let error = fetched.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_nothing_left(&folder);
    }
    let (folder, fetched) = fetch("/cut");
    let error = fetched.unwrap_err();
    assert!(
        matches!(error, FetchError::Cut { .. } | FetchError::Short { .. }),
        "{error}"
    );
    assert_nothing_left(&folder);
}

#[test]
fn a_busy_server_is_asked_again_until_it_gives_the_file() {
    for path in ["/busy", "/too-many"] {
        let (_folder, fetched) = fetch(path);
        assert_eq!(fs::read(fetched.unwrap()).unwrap(), b"abc", "{path}");
    }
    for (path, expected) in [
        (
            "/always-busy",
            "the server is busy (503 Service Unavailable): try again in 0 s",
        ),
        ("/closed-today", "try again in 36000 s, as it says"),
    ] {
        let (folder, fetched) = fetch(path);
        let error = fetched.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_nothing_left(&folder);
    }
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::new(folder.path().join("cache"), 100);
    let cache = cache.with_patience(Duration::from_secs(1));
    let (base, _) = server();
    let error = cache.file(&format!("{base}/silent"), ABC).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("nothing came for 1 s after 3 bytes"), "{said}");
    assert_nothing_left(&folder);
}

#[test]
fn another_file_than_the_manifest_means_is_refused() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::new(folder.path().join("cache"), 100);
    let (base, _) = server();
    let error = cache.file(&format!("{base}/abc"), &"0".repeat(64)).unwrap_err();
    let FetchError::Hash { found, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(found, ABC);
    assert_nothing_left(&folder);
}

#[test]
fn nobody_there_and_no_folder_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/abc", listener.local_addr().unwrap());
    drop(listener);
    let folder = TempDir::new().unwrap();
    let error = Cache::new(folder.path().to_owned(), 100).file(&url, ABC).unwrap_err();
    assert!(matches!(error, FetchError::Request { .. }), "{error}");
    let occupied = folder.path().join("file");
    fs::write(&occupied, b"").unwrap();
    let error = Cache::new(occupied, 100).file(&url, ABC).unwrap_err();
    assert!(matches!(error, FetchError::Folder { .. }), "{error}");
}

#[test]
fn many_at_once_fetch_once() {
    let folder = TempDir::new().unwrap();
    let cache = Cache::new(folder.path().to_owned(), 100);
    let (base, requests) = server();
    let url = format!("{base}/abc");
    // A lock on a file of its own keeps threads apart as it does processes: each opens the file anew.
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(fs::read(cache.file(&url, ABC).unwrap()).unwrap(), b"abc"));
        }
    });
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

/// Only locks may stay in the cache.
fn assert_nothing_left(folder: &TempDir) {
    let names = fs::read_dir(folder.path().join("cache")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| name.ends_with(".lock")));
}
