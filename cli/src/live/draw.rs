//! One picture of a run. Everything is cut at the terminal's edge; nothing wraps.

use fltorrent_records::{progress::RoundSummary, status::State};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span},
};

use super::{
    board::{Board, Order, Totals},
    columns::{Cells, Column, columns, word},
    format::{Glyphs, bytes, clock, figure, seconds},
    peer::{Peer, Trouble},
    view::View,
};

/// Rows of peers that stay while the terminal is so low that other lines go.
const LEAST_ROWS: usize = 4;
/// Widest bar of chunks in a row.
const LONGEST_BAR: usize = 24;

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// True if hues are used; words and marks say the same without.
    pub(super) colour: bool,
    pub(super) glyphs: Glyphs,
}

impl Look {
    fn hue(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    fn state(self, state: Option<State>) -> Style {
        match state {
            None | Some(State::Connecting) => Style::new().add_modifier(Modifier::DIM),
            Some(State::Training) => self.hue(Color::Yellow),
            Some(State::Exchanging) => self.hue(Color::Cyan),
            Some(State::Aggregating) => self.hue(Color::Magenta),
            Some(State::Serving | State::Finished) => self.hue(Color::Green),
            Some(State::Failed) => self.alarm(),
        }
    }

    fn alarm(self) -> Style {
        self.hue(Color::Red).add_modifier(Modifier::BOLD)
    }
}

const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const HEAD: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws a run as it is at a time, in seconds since 1970.
pub(super) fn draw(area: Rect, buffer: &mut Buffer, board: &Board, view: &mut View, look: Look, now: f64) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let rows = board.rows(view.order, now);
    let totals = board.totals(now);
    let trouble = trouble(board, &rows, width, look);
    // What is asked for first stays longest; the bar and the table's head are always there.
    let wanted = [true, trouble.is_some(), true, true, true];
    let mut spare = height.saturating_sub(2 + rows.len().min(LEAST_ROWS));
    let [totals_fit, trouble_fits, last_fits, title_fits, keys_fit] = wanted.map(|wanted| {
        let fits = wanted && spare > 0;
        spare -= usize::from(fits);
        fits
    });
    let fixed = [totals_fit, trouble_fits, last_fits, title_fits, keys_fit];
    let fixed = 2 + fixed.into_iter().filter(|&fits| fits).count();
    let page = height.saturating_sub(fixed).min(rows.len());
    view.fit(rows.len(), page);

    let mut lines: Vec<Line<'_>> = Vec::with_capacity(height);
    if title_fits {
        lines.push(title(board, width, now));
    }
    let table = Table::new(board, width, look, now);
    lines.push(table.head());
    let shown = rows.iter().skip(view.top).take(page);
    lines.extend(shown.filter_map(|(at, trouble)| Some(table.row(board.peers.get(*at)?, *trouble))));
    lines.extend(history(board, height.saturating_sub(fixed + page), width));
    lines.extend(totals_fit.then(|| totals_line(board, &totals, width)));
    lines.extend(trouble.filter(|_| trouble_fits));
    lines.extend(last_fits.then(|| last_round(board, width, look)));
    lines.push(bar(board, width, look, now));
    lines.extend(keys_fit.then(|| keys(view, rows.len(), page, width, look)));
    for (y, line) in (area.y..area.bottom()).zip(&lines) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

fn title(board: &Board, width: usize, now: f64) -> Line<'static> {
    let elapsed = clock(now - board.began);
    let room = width.saturating_sub(elapsed.len() + 1);
    let title: String = board.title.chars().take(room).collect();
    let gap = width.saturating_sub(title.chars().count() + elapsed.len());
    Line::from(vec![
        Span::styled(title, STRONG),
        Span::raw(" ".repeat(gap)),
        Span::raw(elapsed),
    ])
}

struct Table {
    columns: Vec<Column>,
    cells: Cells,
    look: Look,
    /// Characters for a bar of chunks; 0 when there is no room.
    bar: usize,
    width: usize,
}

impl Table {
    fn new(board: &Board, width: usize, look: Look, now: f64) -> Self {
        // The first character is the mark of trouble.
        let columns = columns(board, width.saturating_sub(1));
        let used: usize = 1 + columns.iter().map(|column| column.width + 1).sum::<usize>();
        let left = width.saturating_sub(used + 2);
        Self {
            columns,
            cells: Cells {
                now,
                rounds: board.rounds(),
            },
            look,
            bar: if left < LONGEST_BAR / 2 {
                0
            } else {
                left.min(LONGEST_BAR)
            },
            width,
        }
    }

    fn head(&self) -> Line<'static> {
        let mut text = " ".to_owned();
        for column in &self.columns {
            text.push_str(&padded(column, column.title));
        }
        Line::styled(format!("{text:<0$}", self.width), HEAD)
    }

    fn row(&self, peer: &Peer, trouble: Option<Trouble>) -> Line<'static> {
        let mark = if trouble.is_some() { "!" } else { " " };
        let mut spans = vec![Span::styled(mark, self.look.alarm())];
        for column in &self.columns {
            let text = padded(column, &(column.cell)(peer, &self.cells));
            spans.push(match column.is_word {
                true => Span::styled(text, self.look.state(peer.state())),
                false => Span::raw(text),
            });
        }
        if let Some(status) = peer.status.filter(|_| self.bar > 0) {
            let share = status.held as f64 / status.total.max(1) as f64;
            let bar = self.look.glyphs.bar(share, self.bar);
            spans.push(Span::styled(format!("  {bar}"), self.look.state(peer.state())));
        }
        Line::from(spans)
    }
}

fn padded(column: &Column, text: &str) -> String {
    match column.is_word {
        true => format!(" {text:<0$.0$}", column.width),
        false => format!(" {text:>0$.0$}", column.width),
    }
}

/// The last finished rounds, when there is room for them below the peers.
fn history(board: &Board, height: usize, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if height >= 3 {
        lines.push(Line::default());
        let head = format!(
            "{:>11} {:>8} {:>8} {:>9} {:>7} {:>8} {:>9}  model",
            "round", "accuracy", "loss", "received", "train", "exchange", "aggregate"
        );
        lines.push(Line::styled(head, FAINT));
        let room = height - lines.len();
        let from = board.finished.len().saturating_sub(room);
        for (_, summary) in &board.finished[from..] {
            lines.push(Line::raw(round(board, summary)));
        }
    }
    let blank = lines.len()..height;
    lines.extend(blank.map(|_| Line::raw(" ".repeat(width.min(1)))));
    lines
}

fn round(board: &Board, summary: &RoundSummary) -> String {
    format!(
        "{:>11} {:>8} {:>8} {:>9} {:>7} {:>8} {:>9}  {:.12}{}",
        format!("{}/{}", u64::from(summary.round) + 1, board.rounds()),
        figure(summary.accuracy),
        figure(summary.loss),
        bytes(summary.bytes_received as f64),
        seconds(summary.train_seconds.max),
        seconds(summary.exchange_seconds.mean),
        seconds(summary.aggregate_seconds.max),
        summary.model_hash,
        if summary.models_agree { "" } else { " and others" },
    )
}

fn totals_line(board: &Board, totals: &Totals, width: usize) -> Line<'static> {
    let words = [
        None,
        Some(State::Training),
        Some(State::Exchanging),
        Some(State::Aggregating),
        Some(State::Finished),
    ];
    let counted = words.into_iter().zip(totals.states).filter(|(_, count)| *count > 0);
    let states: Vec<String> = counted
        .map(|(state, count)| format!("{count} {}", word(state)))
        .collect();
    let states = if board.is_starting() {
        format!("{} of {} peers ready", board.ready, board.peers.len())
    } else {
        states.join(", ")
    };
    let (received, sent, wasted) = totals.bytes;
    let (down, up) = totals.rates;
    let (unchoked, all) = totals.unchoked;
    let parts = [
        states,
        format!("down {}/s up {}/s", bytes(down), bytes(up)),
        format!("received {}", bytes(received as f64)),
        format!("unchoked {unchoked}/{all}"),
        format!("sent {}", bytes(sent as f64)),
        format!("wasted {}", bytes(wasted as f64)),
    ];
    Line::raw(joined(&parts, width))
}

/// As many parts as fit, with two spaces between.
fn joined(parts: &[String], width: usize) -> String {
    let mut text = String::new();
    for part in parts {
        let gap = if text.is_empty() { "" } else { "  " };
        if text.chars().count() + gap.len() + part.chars().count() > width && !text.is_empty() {
            break;
        }
        text.push_str(gap);
        text.push_str(part);
    }
    text
}

fn trouble(board: &Board, rows: &[(usize, Option<Trouble>)], width: usize, look: Look) -> Option<Line<'static>> {
    let said = rows
        .iter()
        .filter_map(|(at, trouble)| Some(format!("peer {} {}", board.peers.get(*at)?.index, (*trouble)?)));
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| {
        let text = joined(&[&["!".to_owned()], &said[..]].concat(), width);
        Line::styled(text, look.alarm())
    })
}

fn last_round(board: &Board, width: usize, look: Look) -> Line<'static> {
    let Some((_, last)) = board.finished.last() else {
        return Line::styled("no round finished yet", FAINT);
    };
    let parts = [
        format!("round {}", u64::from(last.round) + 1),
        format!("accuracy {}", figure(last.accuracy)),
        format!("loss {}", figure(last.loss)),
        format!("train {}", seconds(last.train_seconds.max)),
        format!("exchange {}", seconds(last.exchange_seconds.mean)),
    ];
    let text = joined(&parts, width);
    let room = width.saturating_sub(text.chars().count() + 2);
    let accuracies: Vec<f64> = board.finished.iter().filter_map(|(_, round)| round.accuracy).collect();
    let spark = look.glyphs.sparkline(&accuracies, room);
    Line::from(vec![
        Span::raw(text),
        Span::styled(format!("  {spark}"), look.hue(Color::Green)),
    ])
}

fn bar(board: &Board, width: usize, look: Look, now: f64) -> Line<'static> {
    let share = board.share();
    let left = match board.remaining(now) {
        _ if board.rounds_finished() >= board.rounds() => String::new(),
        Some(left) => format!("  ETA {}", clock(left.ceil())),
        None => "  ETA -".to_owned(),
    };
    let text = format!(
        " {:>3.0}%  {} of {} rounds{left}",
        (share * 100.0).floor(),
        board.rounds_finished(),
        board.rounds()
    );
    let bar = look.glyphs.bar(share, width.saturating_sub(text.chars().count()));
    Line::from(vec![
        Span::styled(bar, look.hue(Color::Blue)),
        Span::styled(text, STRONG),
    ])
}

fn keys(view: &View, rows: usize, page: usize, width: usize, look: Look) -> Line<'static> {
    let shown = format!("{}-{} of {rows}", (view.top + 1).min(rows), (view.top + page).min(rows));
    let order = match view.order {
        Order::Index => "s: slowest first",
        Order::Slowest => "s: by index",
    };
    let parts = [
        shown,
        format!("{} PgUp PgDn Home End", look.glyphs.arrows),
        order.to_owned(),
        "q: lines".to_owned(),
        "Ctrl-C: stop".to_owned(),
    ];
    Line::styled(joined(&parts, width), FAINT)
}

#[cfg(test)]
mod tests {
    use fltorrent_records::{line::Event, status::Status};
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;
    use crate::live::samples::{START, board, status};

    const PLAIN: Look = Look {
        colour: false,
        glyphs: Glyphs::ASCII,
    };

    fn picture(width: u16, height: u16, board: &Board, view: &mut View, look: Look) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let now = START + 12.0;
        terminal
            .draw(|frame| draw(frame.area(), frame.buffer_mut(), board, view, look, now))
            .unwrap();
        terminal.backend().buffer().clone()
    }

    fn lines(width: u16, height: u16, board: &Board, view: &mut View) -> Vec<String> {
        let buffer = picture(width, height, board, view, PLAIN);
        let cells = buffer.content().chunks(width.into());
        cells
            .map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>())
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// The rows of peers, by what stands in their first column.
    fn peers(lines: &[String]) -> Vec<u32> {
        let first = |line: &String| line.get(1..6)?.trim().parse().ok();
        let rows = lines.iter().skip_while(|line| !line.starts_with("  peer")).skip(1);
        rows.map_while(first).collect()
    }

    #[test]
    fn eight_peers_on_a_small_terminal() {
        let lines = lines(80, 24, &board(8, 3), &mut View::default());
        let expected = [
            "quickstart  8 peers, ring, mlp 64-64-10, digits, iid                        0:12",
            "  peer state       round chunks own acc  down    up serves choked  train   exch",
            "     0 training     4/10  40/80  0.9000    0B    0B      2      1  1.50s  0.50s",
            "     1 exchanging   4/10  40/80  0.9000    0B    0B      2      1  1.50s  0.50s",
            "     2 aggregating  4/10  40/80  0.9000    0B    0B      2      1  1.50s  0.50s",
        ];
        assert_eq!(&lines[..5], expected);
        assert_eq!(peers(&lines), [0, 1, 2, 3, 4, 5, 6, 7]);
        let expected = [
            "      round accuracy     loss  received   train exchange aggregate  model",
            "       1/10   0.9000   0.5000     15.6K   1.50s    0.50s     0.12s  070707070707",
        ];
        assert_eq!(&lines[11..13], expected);
        let expected = [
            "3 training, 3 exchanging, 2 aggregating  down 0B/s up 0B/s  received 16.0M",
            "round 3  accuracy 0.9000  loss 0.5000  train 1.50s  exchange 0.50s  ===",
            "#################................................  35%  3 of 10 rounds  ETA 0:28",
            "1-8 of 8  up/down PgUp PgDn Home End  s: slowest first  q: lines  Ctrl-C: stop",
        ];
        assert_eq!(&lines[20..], expected);
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        let lines = lines(200, 50, &board(8, 3), &mut View::default());
        for title in [
            "loss", "received", "sent", "wasted", "links", "wants", "wanted", "memory",
        ] {
            assert!(lines[1].contains(title), "{title} in {:?}", lines[1]);
        }
        assert!(lines[2].contains("###"), "a bar of chunks in {:?}", lines[2]);
        assert!(
            lines[46].ends_with("unchoked 16/16  sent 24.0M  wasted 8.0K"),
            "{:?}",
            lines[46]
        );
        assert!(lines[49].ends_with("Ctrl-C: stop"));
    }

    #[test]
    fn fifty_peers_scroll() {
        let board = board(50, 3);
        let mut view = View::default();
        let first = lines(80, 24, &board, &mut view);
        assert_eq!(peers(&first), (0..18).collect::<Vec<_>>());
        assert!(first[23].starts_with("1-18 of 50 "));
        for (key, rows) in [
            (crossterm::event::KeyCode::PageDown, 18..36),
            (crossterm::event::KeyCode::End, 32..50),
            (crossterm::event::KeyCode::Up, 31..49),
        ] {
            view.key(key.into());
            assert_eq!(peers(&lines(80, 24, &board, &mut view)), rows.collect::<Vec<_>>());
        }
        // A higher terminal shows more of them.
        assert_eq!(peers(&lines(80, 60, &board, &mut view)), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn no_terminal_is_too_small() {
        for (width, height) in [(40, 10), (20, 5), (10, 3), (1, 1), (80, 2), (2, 40)] {
            for peers in [1, 8, 50] {
                let lines = lines(width, height, &board(peers, 3), &mut View::default());
                assert_eq!(lines.len(), usize::from(height));
            }
        }
        let lines = lines(40, 10, &board(8, 3), &mut View::default());
        assert_eq!(peers(&lines), [0, 1, 2, 3], "{lines:#?}");
        assert_eq!(lines[8], "###......  35%  3 of 10 rounds  ETA 0:28");
    }

    #[test]
    fn trouble_is_marked_named_and_first() {
        let mut board = board(8, 3);
        let alone = Status {
            neighbours: 1,
            ..status(State::Exchanging, 3)
        };
        board.take(6, START + 12.0, &Event::Status(alone));
        let lines = lines(80, 24, &board, &mut View::default());
        assert!(lines[2].starts_with("!    6 exchanging"), "{:?}", lines[2]);
        assert!(
            lines.iter().any(|line| line == "!  peer 6 has 1 of 2 neighbours"),
            "{lines:#?}"
        );
    }

    #[test]
    fn hues_are_only_used_when_wanted() {
        let hues = |look| {
            let picture = picture(80, 24, &board(8, 3), &mut View::default(), look);
            picture.content().iter().filter(|cell| cell.fg != Color::Reset).count()
        };
        assert_eq!(hues(PLAIN), 0);
        assert!(hues(Look { colour: true, ..PLAIN }) > 0);
    }

    #[test]
    fn a_run_that_starts_says_how_far_it_is() {
        let description = crate::live::samples::description(3);
        let mut board = Board::new(&description, &[2, 2, 2], 2, START);
        board.ready = 1;
        let lines = lines(80, 24, &board, &mut View::default());
        assert!(
            lines[2].starts_with("     0 starting        -      -"),
            "{:?}",
            lines[2]
        );
        assert_eq!(
            lines[20],
            "1 of 3 peers ready  down 0B/s up 0B/s  received 0B  unchoked 0/0  sent 0B"
        );
        assert!(lines[22].ends_with("0%  0 of 10 rounds  ETA -"));
    }
}
