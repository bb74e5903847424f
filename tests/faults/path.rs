//! The file that a call is about, and its path.

use std::ffi::{CStr, c_char, c_int};

use libc::AT_FDCWD;

use crate::system::system;

/// The file that a call is about.
#[derive(Clone, Copy)]
pub(crate) enum File {
    Open(c_int),
    /// A path; a relative one starts at the open folder.
    At(c_int, *const c_char),
}

pub(crate) const LONGEST: usize = libc::PATH_MAX as usize;

/// An absolute path, or the kernel's name for an open file that has none, such as `pipe:[1]`. It is truncated
/// to `LONGEST - 1` bytes and followed by a zero byte.
pub(crate) struct Path {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Path {
    pub(crate) fn of(file: File) -> Self {
        let mut path = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        match file {
            File::Open(descriptor) => path.read_descriptor(descriptor),
            File::At(folder, name) => {
                // SAFETY: the path comes from the caller of a replaced function.
                let name = unsafe { text(name) };
                if !name.starts_with(b"/") {
                    if folder == AT_FDCWD {
                        path.read_link(c"/proc/self/cwd".to_bytes_with_nul());
                    } else {
                        path.read_descriptor(folder);
                    }
                    path.push(b"/");
                }
                path.push(name);
            }
        }
        path
    }

    fn read_descriptor(&mut self, descriptor: c_int) {
        let mut link = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
        let digits = decimal(descriptor.unsigned_abs().into());
        for (place, digit) in link.iter_mut().skip(14).zip(digits.bytes()) {
            *place = *digit;
        }
        self.read_link(&link);
    }

    /// Reads the target of `link`, which ends in a zero byte, into this path.
    fn read_link(&mut self, link: &[u8]) {
        // SAFETY: the buffer is longer than the length that is passed.
        let length = unsafe {
            system!(
                libc::SYS_readlinkat,
                AT_FDCWD,
                link.as_ptr(),
                self.bytes.as_mut_ptr(),
                LONGEST - 1
            )
        };
        self.length = usize::try_from(length).unwrap_or(0);
    }

    fn push(&mut self, more: &[u8]) {
        let free = self.bytes.iter_mut().take(LONGEST - 1).skip(self.length);
        for (place, byte) in free.zip(more) {
            *place = *byte;
            self.length += 1;
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn is_under(&self, folder: &[u8]) -> bool {
        self.bytes()
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// Returns whether the path is a regular file.
    pub(crate) fn is_regular(&self) -> bool {
        // SAFETY: all zeros is a valid `stat`, which the kernel fills.
        let (refused, stat) = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            let refused = system!(
                libc::SYS_newfstatat,
                AT_FDCWD,
                self.bytes.as_ptr(),
                &raw mut stat,
                libc::AT_SYMLINK_NOFOLLOW
            );
            (refused, stat)
        };
        refused == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFREG
    }

    /// Replaces the file with a new FIFO.
    pub(crate) fn turn_into_fifo(&self) {
        let path = self.bytes.as_ptr();
        // SAFETY: the path is zero-terminated.
        unsafe {
            system!(libc::SYS_unlinkat, AT_FDCWD, path, 0);
            system!(libc::SYS_mknodat, AT_FDCWD, path, libc::S_IFIFO | 0o644, 0);
        }
    }
}

/// The decimal digits of a number.
struct Decimal {
    digits: [u8; 20],
    start: usize,
}

fn decimal(mut number: u64) -> Decimal {
    let mut text = Decimal {
        digits: [b'0'; 20],
        start: 20,
    };
    for (index, digit) in text.digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        text.start = index;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text
}

impl Decimal {
    fn bytes(&self) -> std::slice::Iter<'_, u8> {
        self.digits.get(self.start..).unwrap_or_default().iter()
    }
}

/// # Safety
/// `pointer` is null or points to a zero-terminated string that lives as long as the result.
pub(crate) unsafe fn text<'a>(pointer: *const c_char) -> &'a [u8] {
    if pointer.is_null() {
        return &[];
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(pointer) }.to_bytes()
}
