//! Where the user looks: scroll position, order, and what a key does.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::board::Order;

/// A command that does not concern the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The run shall end, as by Ctrl-C.
    Interrupt,
    /// Plain lines instead of the view.
    Plain,
    /// The launcher shall stop for a while, as by Ctrl-Z; the peers go on.
    Suspend,
}

/// Where the user looks.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) order: Order,
    /// Rows above the first one that is shown.
    pub(super) top: usize,
    /// Rows that there are, and rows that are shown: those of the last drawing.
    rows: usize,
    page: usize,
}

impl View {
    /// Keeps the position within the rows; `page` of `rows` can be shown.
    pub(super) fn fit(&mut self, rows: usize, page: usize) {
        (self.rows, self.page) = (rows, page);
        self.top = self.top.min(rows.saturating_sub(page));
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Command> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let page = self.page.max(1);
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Some(Command::Interrupt),
                KeyCode::Char('z') => Some(Command::Suspend),
                _ => None,
            };
        }
        self.top = match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.top.saturating_add(1),
            KeyCode::PageUp => self.top.saturating_sub(page),
            KeyCode::PageDown | KeyCode::Char(' ') => self.top.saturating_add(page),
            KeyCode::Home => 0,
            KeyCode::End => usize::MAX,
            KeyCode::Char('s') => {
                self.order = match self.order {
                    Order::Index => Order::Slowest,
                    Order::Slowest => Order::Index,
                };
                0
            }
            KeyCode::Char('q') => return Some(Command::Plain),
            _ => self.top,
        };
        self.fit(self.rows, self.page);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_scroll_within_the_rows() {
        let mut view = View::default();
        view.fit(50, 8);
        let mut top_after = |code: KeyCode| {
            assert_eq!(view.key(code.into()), None);
            view.top
        };
        for (code, top) in [
            (KeyCode::Up, 0),
            (KeyCode::Down, 1),
            (KeyCode::Char('j'), 2),
            (KeyCode::Char('k'), 1),
            (KeyCode::PageDown, 9),
            (KeyCode::End, 42),
            (KeyCode::Down, 42),
            (KeyCode::PageUp, 34),
            (KeyCode::Char('x'), 34),
            (KeyCode::Home, 0),
        ] {
            assert_eq!(top_after(code), top, "{code:?}");
        }
        view.top = 42;
        view.fit(50, 48);
        assert_eq!(view.top, 2, "the terminal has grown");
        view.fit(3, 8);
        assert_eq!(view.top, 0);
    }

    #[test]
    fn keys_that_move_nothing_are_commands() {
        let mut view = View::default();
        let control = |code| KeyEvent::new(KeyCode::Char(code), KeyModifiers::CONTROL);
        assert_eq!(view.key(control('c')), Some(Command::Interrupt));
        assert_eq!(view.key(control('z')), Some(Command::Suspend));
        assert_eq!(view.key(control('q')), None);
        assert_eq!(view.key(KeyCode::Char('c').into()), None);
        assert_eq!(view.key(KeyCode::Char('q').into()), Some(Command::Plain));
        assert_eq!(view.key(KeyCode::Char('s').into()), None);
        assert_eq!(view.order, Order::Slowest);
    }
}
