//! Reads headers and values of `.npy` arrays.

use std::io::{Error, Read, Result};

use npyz::{DType, NpyFile, NpyHeader};

/// Size limit of an array's header, in bytes. A typical header has about 100.
const LONGEST_HEADER: usize = 4096;

/// Reads an array's header. Refuses one that is too long or that would take too long to parse.
pub fn read_header<R: Read>(mut reader: R) -> Result<(NpyHeader, R)> {
    let mut start = [0; 12];
    reader.read_exact(&mut start[..10])?;
    let version_1 = start[6] == 1;
    let mut length = usize::from(u16::from_le_bytes([start[8], start[9]]));
    let mut known = 10;
    if !version_1 {
        reader.read_exact(&mut start[10..])?;
        known = 12;
        length |= usize::from(u16::from_le_bytes([start[10], start[11]])) << 16;
    }
    if length > LONGEST_HEADER {
        return Err(Error::other(format!(
            "its header says it is {length} bytes long"
        )));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text)?;
    // The parser takes exponential time for brackets in brackets. The header of a plain array is a dictionary
    // with one tuple in it.
    let count = |bracket: u8| text.iter().filter(|&&byte| byte == bracket).count();
    if count(b'(') > 1 || count(b'{') > 1 || count(b'[') > 0 {
        return Err(Error::other("its header is not that of a plain array"));
    }
    let header = NpyHeader::from_reader(start[..known].chain(text.as_slice()))?;
    Ok((header, reader))
}

/// Returns the values of an array of any integer type.
pub fn integers<R: Read>(file: NpyFile<R>) -> Result<Vec<i64>> {
    fn read<T, R>(file: NpyFile<R>) -> Result<Vec<i64>>
    where
        T: npyz::Deserialize + TryInto<i64>,
        R: Read,
    {
        let values = file.data::<T>().map_err(Error::other)?;
        values
            .map(|value| {
                let value = value?.try_into();
                value.map_err(|_| Error::other("a value above 2⁶³"))
            })
            .collect()
    }
    let dtype = match file.dtype() {
        DType::Plain(plain) => plain.to_string(),
        other => other.descr(),
    };
    match dtype.trim_start_matches(['<', '>', '|', '=']) {
        "u1" => read::<u8, R>(file),
        "i1" => read::<i8, R>(file),
        "u2" => read::<u16, R>(file),
        "i2" => read::<i16, R>(file),
        "u4" => read::<u32, R>(file),
        "i4" => read::<i32, R>(file),
        "u8" => read::<u64, R>(file),
        "i8" => read::<i64, R>(file),
        _ => Err(Error::other(format!(
            "its type is `{dtype}`, not an integer"
        ))),
    }
}
