//! Makes the file of one ecosystem out of records: numbers them, sorts what they say by package, and writes it down.

use std::io::{self, BufWriter, Seek, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::index::blocks::{BLOCK, CONTENT, Section, Writer};
use crate::index::codec::{Damaged, key, put_bytes, put_number};
use crate::index::gather::{Parcel, Parcels};
use crate::index::image::{FORMAT, Header, KEY, LONGEST_POSTING, PACK_BYTES, put_place, write_header};
use crate::index::parcel::{affected, named, put_head};
use crate::index::posting;
use crate::osv::alias::groups;
use crate::osv::record::{Affected, Named, Record};

/// A record that goes into the file: its id, where it lies, and in which of the heaps.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    pub heap: &'a Parcels,
    pub id: &'a str,
    pub parcel: &'a Parcel,
}

/// What a record says of a package, before it is written: the package's key, the record's number, where it lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    key: u64,
    record: u32,
    place: u64,
}

/// Light compression: it unpacks as fast, and an import waits for it.
const LEVEL: u32 = 2;

/// Writes the file of the ecosystem, whatever of these records speaks of it.
pub fn write<W: Write + Seek>(out: W, ecosystem: &str, chosen: &[Chosen<'_>]) -> io::Result<(W, Header)> {
    let (order, rows) = sort(ecosystem, chosen).map_err(io::Error::other)?;
    let mut header =
        Header { ecosystem: ecosystem.to_owned(), records: order.len() as u64, ..Header::default() };
    header.rows = rows.len() as u64;
    let mut owner = key(&[ecosystem, &FORMAT.to_string()]);
    for record in &order {
        let modified = record.parcel.modified.as_str();
        owner = owner.rotate_left(7) ^ key(&[record.id, modified]);
        header.withdrawn += u64::from(record.parcel.withdrawn);
        if *header.newest < *modified {
            header.newest = modified.to_owned();
        }
    }
    let mut out = BufWriter::with_capacity(256 << 10, out);
    out.write_all(&[0; BLOCK])?;
    let mut writer = Writer::new(out, owner, 1);
    let keys = put_postings(&mut writer, &mut header, &order, &rows)?;
    drop(rows);
    let packs = put_heads(&mut writer, &mut header, &order)?;
    header.keys = put_section(&mut writer, &keys)?;
    header.packs = put_section(&mut writer, &packs)?;
    let fences: Vec<u8> = keys.chunks(CONTENT).flat_map(|block| block[..8].iter().copied()).collect();
    header.fences = put_section(&mut writer, &fences)?;
    header.blocks = writer.block();
    let out = write_header(writer.into_inner(), &header, owner)?;
    Ok((out.into_inner().map_err(io::IntoInnerError::into_error)?, header))
}

/// The records in the order of their numbers, by the key of the first package that they name: so what is asked for
/// together lies together. With them every row, in order.
fn sort<'a>(ecosystem: &str, chosen: &[Chosen<'a>]) -> Result<(Vec<Chosen<'a>>, Vec<Row>), Damaged> {
    let mut numbered = Vec::with_capacity(chosen.len());
    let mut rows = Vec::with_capacity(chosen.len());
    for (number, record) in chosen.iter().enumerate() {
        let mut first = None;
        record.heap.each_part(record.parcel, |place| {
            let named = named(&mut record.heap.at(place))?;
            if base(&named.ecosystem) == ecosystem {
                let key = key(&[&named.ecosystem, &named.name]);
                first = first.or(Some(key));
                rows.push(Row { key, record: number as u32, place });
            }
            Ok(())
        })?;
        if let Some(first) = first {
            numbered.push((first, record.id, number));
        }
    }
    numbered.sort_unstable();
    let mut new = vec![0_u32; chosen.len()];
    for (place, (_, _, number)) in numbered.iter().enumerate() {
        new[*number] = place as u32;
    }
    rows.iter_mut().for_each(|row| row.record = new[row.record as usize]);
    rows.sort_unstable();
    Ok((numbered.into_iter().map(|(_, _, number)| chosen[number]).collect(), rows))
}

/// Writes a posting a package, and gives the keys.
fn put_postings<W: Write>(
    writer: &mut Writer<W>,
    header: &mut Header,
    order: &[Chosen<'_>],
    rows: &[Row],
) -> io::Result<Vec<u8>> {
    header.postings.block = writer.block();
    let mut keys = Vec::new();
    let mut bytes = Vec::new();
    for rows in rows.chunk_by(|left, right| left.key == right.key) {
        for (named, parts) in packages(order, rows).map_err(io::Error::other)? {
            bytes.clear();
            posting::put(&mut bytes, &named, &parts);
            if bytes.len() as u64 > LONGEST_POSTING {
                return Err(io::Error::other(format!("there is too much about {}", named.name)));
            }
            keys.extend_from_slice(&rows[0].key.to_le_bytes());
            put_place(&mut keys, header.postings.length, bytes.len() as u64);
            header.postings.length += bytes.len() as u64;
            header.packages += 1;
            writer.put(&bytes)?;
        }
    }
    writer.align()?;
    Ok(keys)
}

type Parts<'a> = (Named<'a>, Vec<(u32, Affected<'a>)>);

/// The rows of one key by package: nearly always there is one, but names can be made so that they share a key.
fn packages<'a>(order: &[Chosen<'a>], rows: &[Row]) -> Result<Vec<Parts<'a>>, Damaged> {
    let mut packages: Vec<Parts<'a>> = Vec::new();
    for row in rows {
        let mut part = affected(&mut order[row.record as usize].heap.at(row.place))?;
        let Some(named) = part.package.take() else { continue };
        match packages.iter_mut().find(|(known, _)| *known == named) {
            Some((_, parts)) => parts.push((row.record, part)),
            None => packages.push((named, vec![(row.record, part)])),
        }
    }
    packages.sort_by(|(left, _), (right, _)| {
        (&*left.ecosystem, &*left.name).cmp(&(&*right.ecosystem, &*right.name))
    });
    Ok(packages)
}

/// Writes what the records say of themselves, each with the number of its alias group, and gives the table.
fn put_heads<W: Write>(
    writer: &mut Writer<W>,
    header: &mut Header,
    order: &[Chosen<'_>],
) -> io::Result<Vec<u8>> {
    header.heads.block = writer.block();
    let heads: Result<Vec<Record<'_>>, Damaged> =
        order.iter().map(|record| record.heap.head(record.parcel)).collect();
    let heads = heads.map_err(io::Error::other)?;
    let groups = groups(&heads);
    let mut packs = Vec::new();
    let mut open = Vec::new();
    let mut first = 0;
    let mut scratch = Vec::new();
    for (number, (head, group)) in heads.iter().zip(groups).enumerate() {
        scratch.clear();
        put_number(&mut scratch, group as u64);
        put_head(&mut scratch, head);
        put_bytes(&mut open, &scratch);
        if open.len() >= PACK_BYTES || number + 1 == heads.len() {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(LEVEL));
            encoder.write_all(&open)?;
            let packed = encoder.finish()?;
            packs.extend_from_slice(&(first as u32).to_le_bytes());
            packs.extend_from_slice(&(open.len() as u32).to_le_bytes());
            put_place(&mut packs, header.heads.length, packed.len() as u64);
            header.heads.length += packed.len() as u64;
            writer.put(&packed)?;
            open.clear();
            first = number + 1;
        }
    }
    writer.align()?;
    Ok(packs)
}

fn put_section<W: Write>(writer: &mut Writer<W>, bytes: &[u8]) -> io::Result<Section> {
    let section = Section { block: writer.block(), length: bytes.len() as u64 };
    writer.put(bytes)?;
    writer.align()?;
    Ok(section)
}

/// The ecosystem without its release: `Debian` of `Debian:12`.
pub fn base(ecosystem: &str) -> &str {
    ecosystem.split(':').next().unwrap_or_default()
}

const _: () = assert!(CONTENT.is_multiple_of(KEY), "no key lies in two blocks");
