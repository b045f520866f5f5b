//! How much a thread can keep close to it: what blocks of work are cut by.

/// f32 words of the second-level cache for one thread: its part of a shared one where the system tells who
/// shares it, else all. Within the bounds of what CPUs have, because a virtual machine may tell anything.
pub(crate) fn second_level_words() -> usize {
    let bytes = gemm_common::cache::CACHE_INFO[1].cache_bytes;
    bytes.clamp(128 << 10, 4 << 20) / size_of::<f32>()
}
