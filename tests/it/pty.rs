//! [`Terminal`]: a pseudo-terminal, and the screen that a user would see.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::sandbox::eventually;

/// A terminal that is the standard error of a process.
pub(crate) struct Terminal {
    master: File,
    screen: Arc<Mutex<Screen>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Starts a command with a terminal of this many columns.
    pub(crate) fn start(mut command: Command, columns: u16) -> (Child, Self) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        let master = File::from(master);
        set_columns(&master, columns);
        command
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(terminal);
        let child = command.spawn().unwrap();
        // Closes our copy of the terminal, so that reading ends with the child.
        drop(command);
        let screen = Arc::new(Mutex::new(Screen::new(columns)));
        let (mut from, to) = (master.try_clone().unwrap(), Arc::clone(&screen));
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading ends with an error once no process has the terminal open.
            loop {
                match from.read(&mut bytes) {
                    Ok(count @ 1..) => to.lock().unwrap().print(&bytes[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    _ => return,
                }
            }
        });
        let terminal = Self {
            master,
            screen,
            reader,
        };
        (child, terminal)
    }

    /// Changes the width, as a user who resizes the window. Lines that are on the screen already stay as they are.
    pub(crate) fn resize(&self, columns: u16) {
        self.screen.lock().unwrap().columns = columns.into();
        set_columns(&self.master, columns);
    }

    /// Waits until the screen shows what is meant. At any single moment, lines that are drawn again may be missing.
    pub(crate) fn wait_for(&self, what: &str, is_meant: impl Fn(&[String]) -> bool) {
        eventually(what, || {
            let lines = self.screen.lock().unwrap().lines();
            is_meant(&lines).then_some(())
        });
    }

    /// Waits until no process has the terminal open. Returns everything that was printed, and the lines that stay on
    /// the screen.
    pub(crate) fn end(self) -> (String, Vec<String>) {
        self.reader.join().unwrap();
        let screen = self.screen.lock().unwrap();
        let printed = String::from_utf8_lossy(&screen.printed).into_owned();
        (printed, screen.lines())
    }
}

fn set_columns(terminal: &File, columns: u16) {
    let size = Winsize {
        ws_row: 40,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

/// A screen that understands what progress bars print. It has as many rows as needed.
struct Screen {
    columns: usize,
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Everything that was printed.
    printed: Vec<u8>,
    /// The beginning of a character or an escape sequence whose end was not printed yet.
    open: Vec<u8>,
}

impl Screen {
    fn new(columns: u16) -> Self {
        Self {
            columns: columns.into(),
            rows: vec![Vec::new()],
            row: 0,
            column: 0,
            printed: Vec::new(),
            open: Vec::new(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let rows = self.rows.iter();
        rows.map(|row| row.iter().collect::<String>().trim_end().to_owned())
            .collect()
    }

    fn print(&mut self, bytes: &[u8]) {
        self.printed.extend_from_slice(bytes);
        for &byte in bytes {
            self.open.push(byte);
            match self.open.as_slice() {
                [0x1b] | [0x1b, b'['] => {}
                [0x1b, b'[', parameters @ .., last] if (0x40..=0x7e).contains(last) => {
                    let parameters = String::from_utf8(parameters.to_vec()).unwrap();
                    let command = char::from(*last);
                    self.open.clear();
                    self.act(command, &parameters);
                }
                [0x1b, b'[', ..] => {}
                open => {
                    if let Ok(text) = std::str::from_utf8(open) {
                        let char = text.chars().next().unwrap();
                        self.open.clear();
                        self.put(char);
                    }
                }
            }
        }
    }

    fn put(&mut self, char: char) {
        match char {
            '\r' => self.column = 0,
            '\n' => self.go_to_row(self.row + 1),
            char => {
                assert!(!char.is_control(), "{char:?} is not known");
                if self.column >= self.columns {
                    self.go_to_row(self.row + 1);
                    self.column = 0;
                }
                let row = &mut self.rows[self.row];
                if row.len() <= self.column {
                    row.resize(self.column + 1, ' ');
                }
                row[self.column] = char;
                self.column += 1;
            }
        }
    }

    fn go_to_row(&mut self, row: usize) {
        self.row = row;
        if self.rows.len() <= row {
            self.rows.resize(row + 1, Vec::new());
        }
    }

    /// Acts on a control sequence.
    fn act(&mut self, command: char, parameters: &str) {
        let count = parameters.parse().unwrap_or(1);
        match (command, parameters) {
            ('A', _) => self.row = self.row.saturating_sub(count),
            ('B', _) => self.go_to_row(self.row + count),
            ('C', _) => self.column += count,
            ('D', _) => self.column = self.column.saturating_sub(count),
            ('K', "2") => self.rows[self.row].clear(),
            ('K', "" | "0") => self.rows[self.row].truncate(self.column),
            ('J', "" | "0") => {
                self.rows[self.row].truncate(self.column);
                self.rows.truncate(self.row + 1);
            }
            // Colors, and whether the cursor is visible.
            ('m', _) | ('h' | 'l', "?25") => {}
            _ => panic!("the control sequence `{parameters}{command}` is not known"),
        }
    }
}
