"""One peer of an exchange by libtorrent: it seeds its own update and fetches all others, over the given edges only."""

import hashlib
import json
import os
import sys
import time

import libtorrent


def make(folder, peers, size):
    """The torrents of all updates, each seeded from its peer's own folder."""
    for index in range(peers):
        own = os.path.join(folder, f"peer-{index}")
        os.makedirs(own)
        name = f"update-{index}"
        with open(os.path.join(own, name), "wb") as file:
            file.write(hashlib.shake_128(name.encode()).digest(size))
        files = libtorrent.file_storage()
        libtorrent.add_files(files, os.path.join(own, name))
        torrent = libtorrent.create_torrent(files)
        libtorrent.set_piece_hashes(torrent, own)
        with open(os.path.join(folder, f"{name}.torrent"), "wb") as file:
            file.write(libtorrent.bencode(torrent.generate()))


def seeding(handles):
    return sum(handle.status().is_seeding for handle in handles)


def peer(folder, index, peers, address, dialled):
    session = libtorrent.session(
        {
            "listen_interfaces": f"{address}:6881",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            # Its own congestion control yields to every other flow; TCP is the faster one of the two here.
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            "connection_speed": 1000,
            "allow_multiple_connections_per_ip": True,
            "alert_mask": libtorrent.alert.category_t.status_notification,
        }
    )
    handles = []
    for origin in range(peers):
        parameters = libtorrent.add_torrent_params()
        parameters.ti = libtorrent.torrent_info(os.path.join(folder, f"update-{origin}.torrent"))
        parameters.save_path = os.path.join(folder, f"peer-{index}")
        flags = libtorrent.torrent_flags
        parameters.flags |= flags.disable_pex | flags.disable_dht | flags.disable_lsd
        parameters.flags &= ~(flags.auto_managed | flags.paused)
        handles.append(session.add_torrent(parameters))
    while not handles[index].status().is_seeding:
        time.sleep(0.01)
    print("ready", flush=True)
    sys.stdin.readline()
    for handle in handles:
        for other in dialled:
            handle.connect_peer((other, 6881))
    while seeding(handles) < peers:
        session.wait_for_alert(20)
        session.pop_alerts()
    redundant = sum(handle.status().total_redundant_bytes for handle in handles)
    print(json.dumps({"ended": time.time(), "redundant": redundant}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    what = json.loads(sys.argv[1])
    if "size" in what:
        make(what["folder"], what["peers"], what["size"])
    else:
        peer(what["folder"], what["index"], what["peers"], what["address"], what["dialled"])
