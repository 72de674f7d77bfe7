//! The routing table as it is in a file: `prefix,CC` lines, plain or gzip.

use std::cmp::Reverse;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// The number of a route in its table: what a lookup answers.
pub type RouteId = u32;

/// An IPv4 prefix; the bits after the first `len` are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    pub address: u32,
    pub len: u8,
}

impl Prefix {
    /// The bits that are free in a prefix of `len` bits.
    fn host_bits(len: u8) -> u32 {
        u32::MAX.checked_shr(u32::from(len)).unwrap_or(0)
    }

    /// The last address of the prefix.
    pub fn last(self) -> u32 {
        self.address | Self::host_bits(self.len)
    }

    pub fn contains(self, address: u32) -> bool {
        (self.address..=self.last()).contains(&address)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.address), self.len)
    }
}

/// One line of the table.
pub struct Route {
    pub prefix: Prefix,
    pub country: [u8; 2],
    /// Its line in the file.
    pub line: usize,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.country.map(char::from);
        write!(f, "{} ({first}{second})", self.prefix)
    }
}

/// Routes in address order, a prefix before those nested in it, each prefix
/// once.
pub struct Table {
    pub routes: Vec<Route>,
    /// Lines that repeat the prefix of an earlier line; the last one counts.
    pub repeated: usize,
}

/// Why a table cannot be used, and where in the file.
pub struct TableError {
    pub file: String,
    /// 0: the file as a whole.
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.reason),
            line => write!(f, "{}:{line}: {}", self.file, self.reason),
        }
    }
}

/// No valid line is longer. So a file without newlines is not read into memory.
const LONGEST_LINE: u64 = 64;

impl Table {
    /// Reads the whole file, or reports what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let error = |line, reason| TableError {
            file: path.display().to_string(),
            line,
            reason,
        };
        let unreadable = |line, e: io::Error| error(line, format!("cannot be read: {e}"));

        let mut file = BufReader::new(File::open(path).map_err(|e| unreadable(0, e))?);
        let start = file.fill_buf().map_err(|e| unreadable(0, e))?;
        let mut input: Box<dyn BufRead> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::new(MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };

        let mut routes = Vec::new();
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let mut bounded = input.by_ref().take(LONGEST_LINE + 1);
            let read = bounded.read_until(b'\n', &mut text);
            if read.map_err(|e| unreadable(line, e))? == 0 {
                break;
            }
            let (prefix, country) = parse(&text).map_err(|reason| error(line, reason))?;
            routes.push(Route {
                prefix,
                country,
                line,
            });
        }
        if routes.is_empty() {
            return Err(error(0, "holds no prefixes".into()));
        }
        Ok(Self::sorted(routes))
    }

    fn sorted(mut routes: Vec<Route>) -> Self {
        let lines = routes.len();
        // Of the lines that repeat a prefix the last comes first and is kept.
        routes.sort_unstable_by_key(|route| (route.prefix, Reverse(route.line)));
        routes.dedup_by_key(|route| route.prefix);
        let repeated = lines - routes.len();
        Self { routes, repeated }
    }
}

/// Reads one line: `1.2.3.0/24,NL`.
fn parse(line: &[u8]) -> Result<(Prefix, [u8; 2]), String> {
    if line.len() as u64 > LONGEST_LINE {
        return Err(format!("more than {LONGEST_LINE} bytes in one line"));
    }
    let malformed = |what: &str| {
        let shown = String::from_utf8_lossy(line.trim_ascii_end());
        format!("{what} in {shown:?}; expected a line such as 192.0.2.0/24,NL")
    };
    let text = std::str::from_utf8(line).map_err(|_| malformed("not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);

    let (prefix, country) = text.split_once(',').ok_or_else(|| malformed("no comma"))?;
    let (address, len) = prefix
        .split_once('/')
        .ok_or_else(|| malformed("no prefix length"))?;
    let address: Ipv4Addr = address.parse().map_err(|_| malformed("no IPv4 address"))?;
    let address = u32::from(address);
    let digits = len.bytes().all(|byte| byte.is_ascii_digit());
    let len = len.parse::<u8>().ok().filter(|&len| digits && len <= 32);
    let len = len.ok_or_else(|| malformed("no prefix length from 0 to 32"))?;
    if address & Prefix::host_bits(len) != 0 {
        return Err(malformed("bits set after the prefix"));
    }
    let country: [u8; 2] = country
        .as_bytes()
        .try_into()
        .map_err(|_| malformed("no country code"))?;
    if !country.iter().all(u8::is_ascii_uppercase) {
        return Err(malformed("no country code"));
    }
    Ok((Prefix { address, len }, country))
}
