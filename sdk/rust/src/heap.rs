//! The guest's heap.
//!
//! A call has an instance of its own, which is thrown away behind it, and few calls
//! ever need more than some kilobytes. So memory is handed out from a region that is
//! there from the start, one piece behind the other, and only the last piece is
//! taken back. When the region is used up, the standard library's allocator goes on,
//! which takes back everything: a long loop loses the region and no more.
//!
//! Growing an instance's memory costs the host two system calls and an interruption
//! of its other threads, which is more than the rest of a small call.

#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

/// The region's size: several times a message, its Msg_Ext and what is made of
/// them. Untouched pages of it cost nothing.
const REGION_BYTES: usize = 256 << 10;

/// What a piece may be aligned to; nothing in Rust's library asks for more.
const ALIGN_MAX: usize = 16;

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: Heap = Heap::new();

/// A region, and the standard library's allocator behind it.
#[repr(align(16))]
struct Heap {
    region: UnsafeCell<[MaybeUninit<u8>; REGION_BYTES]>,
    /// Where its unused part begins.
    used: Cell<usize>,
}

// SAFETY: a guest has one thread.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
unsafe impl Sync for Heap {}

impl Heap {
    const fn new() -> Self {
        Self { region: UnsafeCell::new([MaybeUninit::uninit(); REGION_BYTES]), used: Cell::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.region.get().cast()
    }

    /// Where in the region a piece lies, if it lies there.
    fn offset(&self, piece: *mut u8) -> Option<usize> {
        let offset = piece.addr().wrapping_sub(self.base().addr());
        (offset < REGION_BYTES).then_some(offset)
    }

    /// Makes the region's last piece, which begins at `offset`, this large.
    fn fit(&self, offset: usize, size: usize) -> bool {
        let fits = size <= REGION_BYTES - offset;
        if fits {
            self.used.set(offset + size);
        }
        fits
    }
}

// SAFETY: pieces of the region do not overlap, because each begins where the ones
// before it end, and `used` goes back only to the beginning or the new end of the
// last one. Everything else is the standard library's.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let offset = self.used.get().next_multiple_of(layout.align());
        if layout.align() <= ALIGN_MAX && offset < REGION_BYTES && self.fit(offset, layout.size()) {
            // SAFETY: within the region.
            return unsafe { self.base().add(offset) };
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match self.offset(piece) {
            Some(offset) if offset + layout.size() == self.used.get() => self.used.set(offset),
            Some(_) => {}
            // SAFETY: not from the region, so from there.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset(piece) else {
            // SAFETY: not from the region, so from there.
            return unsafe { System.realloc(piece, layout, size) };
        };
        let last = offset + layout.size() == self.used.get();
        if (last && self.fit(offset, size)) || size <= layout.size() {
            return piece;
        }
        // SAFETY: the caller promises that a layout of this size exists.
        let layout_new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: not of size 0, which is less than the old one.
        let new = unsafe { self.alloc(layout_new) };
        if !new.is_null() {
            // SAFETY: both are this large, and the new piece is another one.
            unsafe { ptr::copy_nonoverlapping(piece, new, layout.size()) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn pieces_follow_each_other_and_the_last_is_taken_back() {
        let heap = Box::new(Heap::new());
        // SAFETY: each piece is used within its layout and freed once.
        unsafe {
            let first = heap.alloc(layout(5));
            let second = heap.alloc(layout(8));
            assert_eq!(second.addr() - first.addr(), 8, "aligned");
            heap.dealloc(first, layout(5));
            assert_eq!(heap.used.get(), 16, "only the last is taken back");
            heap.dealloc(second, layout(8));
            assert_eq!(heap.alloc(layout(1)), second);
        }
    }

    #[test]
    fn the_last_piece_grows_and_shrinks_in_place() {
        let heap = Box::new(Heap::new());
        // SAFETY: as above.
        unsafe {
            let piece = heap.alloc(layout(8));
            piece.write_bytes(7, 8);
            assert_eq!(heap.realloc(piece, layout(8), 100), piece);
            assert_eq!(heap.realloc(piece, layout(100), 8), piece);
            assert_eq!(heap.used.get(), 8);
            let other = heap.alloc(layout(8));
            let moved = heap.realloc(piece, layout(8), 16);
            assert_eq!(moved.addr() - other.addr(), 8, "behind the last");
            assert_eq!(*moved.cast::<[u8; 8]>(), [7; 8]);
            assert_eq!(heap.realloc(piece, layout(8), 4), piece, "a shrinking one stays");
        }
    }

    #[test]
    fn what_does_not_fit_comes_from_behind_the_region() {
        let heap = Box::new(Heap::new());
        // SAFETY: as above.
        unsafe {
            let most = heap.alloc(layout(REGION_BYTES - 8));
            assert_eq!(heap.offset(most), Some(0));
            let outside = heap.alloc(layout(16));
            assert_eq!(heap.offset(outside), None);
            outside.write_bytes(3, 16);
            let grown = heap.realloc(outside, layout(16), 1 << 20);
            assert_eq!((heap.offset(grown), *grown.add(15)), (None, 3));
            heap.dealloc(grown, layout(1 << 20));
            // The last piece of the region leaves it when it grows too large.
            let last = heap.alloc(layout(8));
            assert_eq!(heap.offset(last), Some(REGION_BYTES - 8));
            last.write_bytes(9, 8);
            let moved = heap.realloc(last, layout(8), 64);
            assert_eq!((heap.offset(moved), *moved.add(7)), (None, 9));
            heap.dealloc(moved, layout(64));
            // A full region, and pieces that want more than its alignment.
            assert_eq!(heap.used.get(), REGION_BYTES);
            let full = heap.alloc(layout(8));
            assert_eq!(heap.offset(full), None);
            heap.dealloc(full, layout(8));
            heap.used.set(0);
            let page = Layout::from_size_align(64, 4096).unwrap();
            let aligned = heap.alloc(page);
            assert_eq!((heap.offset(aligned), aligned.addr() % 4096), (None, 0));
            heap.dealloc(aligned, page);
        }
    }
}
