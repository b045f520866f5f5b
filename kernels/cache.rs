//! How much a thread can keep close to it: what blocks of work are cut by.

/// f32 words of a cache line.
pub(crate) const LINE_WORDS: usize = 16;

/// Rows of f32 words this far apart (a page), or a multiple, share few sets of a cache and push each other out.
pub(crate) const COLLIDING_WORDS: usize = 1024;

/// f32 words of the second-level cache for one thread: its part of a shared one where the system tells who
/// shares it, else all. Within the bounds of what CPUs have, because a virtual machine may tell anything.
pub(crate) fn second_level_words() -> usize {
    let bytes = gemm_common::cache::CACHE_INFO[1].cache_bytes;
    bytes.clamp(128 << 10, 4 << 20) / size_of::<f32>()
}
