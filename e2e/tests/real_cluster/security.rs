//! Who is not answered.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use e2e::{
    Cluster,
    cluster::status,
    components::containerd,
    layout::{KUBELET_PORT, Layout, NODE_ADDRESS},
};
use libtest_mimic::Failed;

use crate::{
    https::{agent, url},
    kubectl::run,
};

pub fn strangers(_: &Cluster) -> Result<(), Failed> {
    let kubelet = format!("https://{NODE_ADDRESS}:{KUBELET_PORT}/pods");
    for url in [url("/readyz"), url("/api/v1/nodes"), kubelet] {
        let stranger = agent(false)?.get(&url).call()?.status();
        if stranger != 401 {
            return Err(format!("{url} answers a stranger with {stranger}").into());
        }
    }
    let known = agent(true)?.get(url("/api/v1/nodes")).call()?.status();
    if known != 200 {
        return Err(format!("the administrator is answered with {known}").into());
    }
    Ok(())
}

/// Every port that one of our processes listens at; a server with TLS refuses what is not, or says nothing.
pub fn plain(_: &Cluster) -> Result<(), Failed> {
    let (_, processes) = status(&Layout::from_environment()?);
    let sockets = run(Command::new("ss").args(["-H", "-l", "-n", "-t", "-p"]))?;
    let mut looked = 0;
    for (name, pid) in processes {
        // Its streams for `exec` are plain, on loopback, under names that cannot be guessed.
        if name == containerd::NAME {
            continue;
        }
        let mark = format!("pid={},", pid.ok_or_else(|| format!("{name} does not run"))?);
        for line in sockets.lines().filter(|line| line.contains(&mark)) {
            let address = line.split_ascii_whitespace().nth(3).ok_or("no address")?;
            let answer = ask(address).unwrap_or_default();
            if answer.starts_with("HTTP/") && !answer.contains(" 400 ") {
                return Err(format!("{name} answers at {address} without TLS: {answer}").into());
            }
            looked += 1;
        }
    }
    // etcd has two; API server, controller manager, scheduler and kubelet have one each.
    if looked < 6 {
        return Err(format!("only {looked} ports were found:\n{sockets}").into());
    }
    Ok(())
}

fn ask(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    // A server that closes at once may do so before all is read.
    let _ = stream.take(4096).read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
