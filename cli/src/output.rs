//! Standard output, to which all results go. Whoever reads it may have had enough: what comes then is for nobody, and no fault. A
//! disk that is full is one, which [`end`] tells.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// What the first failure to write was.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// In place of those of the standard library, which panic where standard output cannot be written.
macro_rules! println {
    () => {
        $crate::output::print(format_args!("\n"))
    };
    ($($argument:tt)*) => {
        $crate::output::print(format_args!("{}\n", format_args!($($argument)*)))
    };
}

macro_rules! print {
    ($($argument:tt)*) => {
        $crate::output::print(format_args!($($argument)*))
    };
}

/// Standard output as a place to write to. After a failure it takes nothing more.
#[derive(Debug)]
pub(crate) struct Results;

/// See [`Results`].
pub(crate) fn stdout() -> Results {
    Results
}

/// What `println!` and `print!` do here.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    // Kept for the end.
    let _kept = Results.write_fmt(text);
}

/// Writes what is still in hand; the failure, if not everything could be written to somebody who reads it.
pub(crate) fn end() -> Option<io::Error> {
    let _kept = Results.flush();
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner).take();
    failed.filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

fn noted<T>(done: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = &*failed {
        return Err(error.kind().into());
    }
    done().map_err(|error| {
        let kind = error.kind();
        if kind != io::ErrorKind::Interrupted {
            *failed = Some(error);
        }
        kind.into()
    })
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        noted(|| io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(|| io::stdout().flush())
    }
}
