//! Page-locked host memory that large inputs and outputs pass through, piece by piece: while the
//! device copies one piece, threads copy the next from or to the caller's memory.
//!
//! The driver does the same for memory that is not page-locked, but with one thread, and waiting.

use std::rc::Rc;

use breakeven_kernels::recording::{Recording, Role};
use bytes::Bytes;

use super::driver::{Buffer, Context, Event, Pinned, Result, Stream};
use super::slot::in_role;
use crate::backend::BackendError;
use crate::backend::copy::{self, PIECE, POISON_BYTE};

/// The page-locked memory of one slot: one entry per input and output, in their order, where made.
///
/// Each function is told up to which size of a buffer it goes `past` this memory: a call does so
/// with small ones, executions in flight with none.
#[derive(Default)]
pub(super) struct Staging {
    upload: Vec<Option<Pinned>>,
    download: Vec<Option<Landing>>,
}

/// Where an output arrives.
struct Landing {
    memory: Pinned,
    /// One per piece, if there are several: reached when that piece has arrived.
    arrived: Vec<Event>,
}

/// A piece of an input on its way into page-locked memory.
struct Piece<'a> {
    /// Index of the device buffer that it is for, and where in it.
    buffer: usize,
    offset: u64,
    data: &'a [u8],
    room: &'a mut [u8],
}

impl Piece<'_> {
    fn fill(self) -> Self {
        self.room.copy_from_slice(self.data);
        self
    }
}

impl Staging {
    /// Allocates and touches what is missing; whether anything was.
    ///
    /// # Errors
    /// No page-locked memory left.
    pub(super) fn make(
        &mut self,
        context: &Rc<Context>,
        recording: &Recording,
        buffers: &[Rc<Buffer>],
        past: u64,
    ) -> Result<bool> {
        let mut made = false;
        self.upload.resize_with(in_role(recording, Role::Input).count(), || None);
        self.download.resize_with(in_role(recording, Role::Output).count(), || None);
        for (i, place) in in_role(recording, Role::Input).zip(&mut self.upload) {
            let bytes = buffers[i].bytes;
            if place.is_none() && bytes > past {
                *place = Some(Pinned::new(context, bytes)?);
                made = true;
            }
        }
        for (i, place) in in_role(recording, Role::Output).zip(&mut self.download) {
            let bytes = buffers[i].bytes;
            if place.is_none() && bytes > past {
                *place = Some(Landing::new(context, bytes)?);
                made = true;
            }
        }
        // Only where there is anything for them to do.
        if buffers.iter().any(|b| b.bytes > PIECE as u64) {
            copy::threads();
        }
        Ok(made)
    }

    /// Gives the outputs' memory back, because their sizes changed; nothing is under way.
    pub(super) fn forget_outputs(&mut self) {
        self.download.clear();
    }

    /// Overwrites what arrived last; nothing is under way.
    pub(super) fn poison(&mut self) {
        for landing in self.download.iter_mut().flatten() {
            landing.memory.bytes_mut().fill(POISON_BYTE);
        }
    }

    /// Enqueues the upload of `packed`, one per input. Nothing of an earlier one is under way.
    ///
    /// # Errors
    /// Contents that do not fit; a lost device.
    ///
    /// # Safety
    /// `packed` stays valid and unchanged until the stream has been waited for, unless `past` is 0.
    pub(super) unsafe fn upload(
        &mut self,
        stream: &Stream,
        recording: &Recording,
        buffers: &[Rc<Buffer>],
        packed: &[Bytes],
        past: u64,
    ) -> Result<()> {
        let mut pieces = Vec::new();
        let inputs = in_role(recording, Role::Input).zip(packed).zip(&mut self.upload);
        for ((i, data), place) in inputs {
            if data.len() as u64 > buffers[i].bytes {
                let (name, bytes) = (recording.buffers[i].name, data.len());
                return Err(BackendError::Run(format!("pack made {bytes} bytes for `{name}`")));
            }
            let Some(pinned) = place.as_mut().filter(|_| buffers[i].bytes > past) else {
                // SAFETY: the caller keeps `packed`.
                unsafe { stream.upload(&buffers[i], 0, data) }?;
                continue;
            };
            let rooms = pinned.bytes_mut()[..data.len()].chunks_mut(PIECE);
            for ((data, room), offset) in data.chunks(PIECE).zip(rooms).zip((0..).step_by(PIECE)) {
                pieces.push(Piece { buffer: i, offset, data, room });
            }
        }
        let mut enqueued = Ok(());
        copy::each(pieces.into_iter(), Piece::fill, |piece| {
            if enqueued.is_ok() {
                // SAFETY: the slot keeps its page-locked memory and touches it only after a wait.
                enqueued =
                    unsafe { stream.upload(&buffers[piece.buffer], piece.offset, piece.room) };
            }
        });
        enqueued
    }

    /// Enqueues the download of outputs of these `lengths`, save those that go past.
    ///
    /// # Errors
    /// A lost device.
    pub(super) fn fetch(
        &mut self,
        stream: &Stream,
        recording: &Recording,
        buffers: &[Rc<Buffer>],
        lengths: &[usize],
        past: u64,
    ) -> Result<()> {
        let outputs = in_role(recording, Role::Output).zip(lengths).zip(&mut self.download);
        for ((i, bytes), landing) in outputs {
            let Some(landing) = landing.as_mut().filter(|_| buffers[i].bytes > past) else {
                continue;
            };
            let rooms = landing.memory.bytes_mut()[..*bytes].chunks_mut(PIECE);
            for (index, room) in rooms.enumerate() {
                let offset = (index * PIECE) as u64;
                // SAFETY: as for uploads.
                unsafe { stream.download(room, &buffers[i], offset) }?;
                if let Some(arrived) = landing.arrived.get(index) {
                    arrived.record(stream)?;
                }
            }
        }
        Ok(())
    }

    /// Waits for what was fetched and copies it to `host`, which has the same lengths; fetches what
    /// goes past by itself. Afterwards nothing is under way, whatever is returned.
    ///
    /// # Errors
    /// A failure of anything enqueued before.
    pub(super) fn collect(
        &self,
        stream: &Stream,
        recording: &Recording,
        buffers: &[Rc<Buffer>],
        host: &mut [Vec<u8>],
        past: u64,
    ) -> Result<()> {
        let (mut large, mut small, mut direct) = (Vec::new(), Vec::new(), Vec::new());
        let outputs = in_role(recording, Role::Output).zip(&self.download).zip(host);
        for ((i, landing), data) in outputs {
            match landing.as_ref().filter(|_| buffers[i].bytes > past) {
                None => direct.push((data, &buffers[i])),
                Some(landing) if landing.arrived.is_empty() => small.push((data, landing)),
                Some(landing) => {
                    let rooms = data.chunks_mut(PIECE).zip(&landing.arrived);
                    for ((to, arrived), start) in rooms.zip((0..).step_by(PIECE)) {
                        large.push((to, start, &landing.memory, arrived));
                    }
                }
            }
        }
        let mut arrived = Ok(());
        let arriving = large.into_iter().map_while(|(to, start, memory, event)| {
            arrived = event.wait();
            arrived.is_ok().then(|| {
                let piece = start..start + to.len();
                (to, memory.piece(piece))
            })
        });
        copy::each(arriving, |(to, from)| to.copy_from_slice(from), |()| ());
        // Only now: such a copy may keep the host until all before it is done.
        let copied = arrived.and_then(|()| {
            direct.into_iter().try_for_each(|(data, buffer)| {
                // SAFETY: `host` is not touched before the wait below.
                unsafe { stream.download(data, buffer, 0) }
            })
        });
        stream.wait()?;
        copied?;
        for (data, landing) in small {
            let bytes = data.len();
            data.copy_from_slice(landing.memory.piece(0..bytes));
        }
        Ok(())
    }
}

impl Landing {
    fn new(context: &Rc<Context>, bytes: u64) -> Result<Self> {
        let memory = Pinned::new(context, bytes)?;
        let pieces = bytes.div_ceil(PIECE as u64);
        let events = if pieces > 1 { pieces } else { 0 };
        let arrived = (0..events).map(|_| Event::untimed(context)).collect::<Result<_>>()?;
        Ok(Self { memory, arrived })
    }
}
