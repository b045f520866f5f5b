//! Files: what is read, what is written, what becomes of damage; in memory and as a stream.

use std::io::Cursor;

use super::container::{Damaged, FrameRate, Movie, parse};
use super::jpeg::Frame;
use super::muxer::{Container, Film, MuxError, Muxer};
use super::stream::{Asked, Picture, Transcoder, VideoReader, parsed};
use super::synth;
use super::tests::{clip, ffmpeg_frames, kept, pipe, video};
use crate::params::Value;
use crate::random::Random;

fn read_all(file: &[u8]) -> (FrameRate, Vec<Picture>) {
    let mut reader = VideoReader::open(Box::new(Cursor::new(file.to_vec()))).unwrap();
    let pictures = std::iter::from_fn(|| reader.picture().unwrap()).collect();
    (reader.rate(), pictures)
}

/// `file` with a hole in the picture data of its frames `numbers`.
fn damaged(file: &[u8], numbers: &[usize]) -> Vec<u8> {
    let movie = parse(file, Damaged::Fail).unwrap();
    let mut file = file.to_vec();
    for &number in numbers {
        file[movie.frames[number].intervals[1].clone()].fill(0xfe);
    }
    file
}

/// Times of the pictures that ffmpeg decodes, in frames.
fn ffmpeg_times(file: &[u8], format: &str) -> Vec<u64> {
    let source = ["-v", "error", "-f", format, "-i", "pipe:0"];
    let out = ["-vsync", "passthrough", "-f", "framemd5", "pipe:1"];
    let lines = String::from_utf8(pipe("ffmpeg", &[&source[..], &out].concat(), file)).unwrap();
    let times = lines.lines().filter(|line| !line.starts_with('#'));
    times.map(|line| line.split(',').nth(2).unwrap().trim().parse().unwrap()).collect()
}

#[test]
fn a_stream_has_the_pictures_of_the_whole_file() {
    let sizes = ["64x48", "334x242"];
    for (size, format) in sizes.into_iter().flat_map(|size| [(size, "avi"), (size, "mjpeg")]) {
        let file = clip(size, "yuvj420p", format, "4");
        let movie = parse(&file, Damaged::Fail).unwrap();
        let (rate, pictures) = read_all(&file);
        assert_eq!(rate, FrameRate { rate: 25, scale: 1 });
        assert_eq!((rate, pictures.len()), (movie.rate, 6));
        for (picture, frame) in pictures.iter().zip(&movie.frames) {
            let other = parsed(picture).unwrap().unwrap();
            assert_eq!(other.layout, frame.layout);
            let (own, whole) = (other.intervals[0].clone(), frame.intervals[0].clone());
            assert_eq!(picture.bytes[own], file[whole]);
        }
    }
}

#[test]
fn a_stream_is_transcoded_as_the_whole_file_is() {
    let file = clip("334x242", "yuvj422p", "avi", "4");
    for (container, name, stored) in
        [("avi", "output.avi", Container::Avi), ("mjpeg", "output.mjpeg", Container::Mjpeg)]
    {
        let extra = [("container", Value::Text(container.into())), ("quality", Value::Int(70))];
        let case = video(file.clone(), &extra).unwrap();
        assert_eq!(case.key().contains("container=mjpeg"), container == "mjpeg");
        let whole = kept(&*case).remove(name).unwrap();
        let (rate, pictures) = read_all(&file);
        let first = parsed(&pictures[0]).unwrap().unwrap();
        let asked = Asked { width: None, height: None, quality: 70 };
        let transcoder = Transcoder::new(0, &first, &asked).unwrap();
        assert_eq!(transcoder.size(), (167, 121));
        let images = transcoder.convert(&pictures).into_iter().map(|image| image.unwrap().unwrap());
        let film = Film { container: stored, width: 167, height: 121, rate };
        assert!(film.file(&[true; 6], &images.collect::<Vec<_>>()).unwrap() == whole);
        // ffmpeg finds six pictures in either.
        assert_eq!(ffmpeg_times(&whole, container), [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn one_size_keeps_the_shape() {
    let size = |width, height| Asked { width, height, quality: 1 }.size((1920, 1080));
    assert_eq!(size(None, None), (960, 540));
    assert_eq!(size(Some(1280), None), (1280, 720));
    // 1080 × 853 / 1920 = 479.8; 1920 × 101 / 1080 = 179.6
    assert_eq!(size(Some(853), None), (853, 480));
    assert_eq!(size(None, Some(101)), (180, 101));
    assert_eq!(size(Some(5), Some(7)), (5, 7));
    let thin = Asked { width: None, height: Some(1), quality: 1 };
    assert_eq!(thin.size((10, 4000)), (1, 1));
}

#[test]
fn damaged_pictures_are_left_out_where_that_is_asked_and_the_others_keep_their_time() {
    let file = damaged(&clip("64x48", "yuvj420p", "avi", "4"), &[0, 3]);
    let told = video(file.clone(), &[]).unwrap().input(0).err().unwrap().to_string();
    assert!(told.starts_with("transcode: input file clip: frame 0: "), "{told}");
    for (container, name, times) in [
        ("avi", "output.avi", vec![1, 2, 4, 5]),
        // A raw stream shows the picture after, at the start, and the one before.
        ("mjpeg", "output.mjpeg", vec![0, 1, 2, 3, 4, 5]),
    ] {
        let extra = [("damaged", "skip"), ("container", container)];
        let case = video(file.clone(), &extra.map(|(k, v)| (k, Value::Text(v.into())))).unwrap();
        assert!(case.key().contains(" frames=4 "), "{}", case.key());
        assert!(case.key().ends_with(" missing=2"), "{}", case.key());
        assert_eq!(case.work().items, 4.0);
        let whole = kept(&*case).remove(name).unwrap();
        assert_eq!(ffmpeg_times(&whole, container), times, "{container}");
        if container == "mjpeg" {
            let frames = ffmpeg_frames(&whole, "yuvj420p");
            let one = frames.len() / 6;
            assert!(frames[..one] == frames[one..2 * one]);
            assert!(frames[2 * one..3 * one] == frames[3 * one..4 * one]);
        }
    }
    // The stream says which they are.
    let (_, pictures) = read_all(&file);
    let asked = Asked { width: None, height: None, quality: 85 };
    let transcoder = Transcoder::of_first(&pictures, 0, &asked).unwrap().unwrap();
    let images = transcoder.convert(&pictures);
    let wrong: Vec<usize> = (0..6).filter(|&i| images[i].is_err()).collect();
    assert_eq!(wrong, [0, 3]);
}

#[test]
fn dropped_pictures_stay_dropped() {
    let whole = parse(&clip("64x48", "yuvj420p", "avi", "4"), Damaged::Fail).unwrap();
    let file = clip("64x48", "yuvj420p", "avi", "4");
    let start = |i: usize| if i == 0 { 0 } else { whole.frames[i - 1].end };
    let images: Vec<Vec<u8>> = (0..6)
        .map(|i| {
            let bytes = &file[start(i)..whole.frames[i].end];
            let soi = bytes.windows(3).position(|w| w == [0xff, 0xd8, 0xff]).unwrap();
            bytes[soi..].to_vec()
        })
        .collect();
    let film = Film { container: Container::Avi, width: 64, height: 48, rate: whole.rate };
    let present = [true, false, true, true, false, true, true, true];
    let dropped = film.file(&present, &images).unwrap();
    assert_eq!(ffmpeg_times(&dropped, "avi"), [0, 2, 3, 5, 6, 7]);
    let movie: Movie = parse(&dropped, Damaged::Fail).unwrap();
    assert_eq!(movie.present, present);
    assert_eq!(movie.numbers().collect::<Vec<_>>(), [0, 2, 3, 5, 6, 7]);
    let case = video(dropped, &[]).unwrap();
    assert!(case.key().ends_with(" missing=2"), "{}", case.key());
    assert_eq!(ffmpeg_times(&kept(&*case)["output.avi"], "avi"), [0, 2, 3, 5, 6, 7]);
}

#[test]
fn cut_files_say_where_they_end() {
    let file = clip("64x48", "yuvj420p", "avi", "4");
    let cut = &file[..file.len() * 2 / 3];
    let (_, pictures) = read_all(cut);
    let last = pictures.last().unwrap();
    assert!(last.problem.as_ref().unwrap().contains("truncated"), "{:?}", last.problem);
    assert!(pictures[..pictures.len() - 1].iter().all(|p| p.problem.is_none()));
    // What is whole can be used.
    let skip = [("damaged", Value::Text("skip".into()))];
    let case = video(cut.to_vec(), &skip).unwrap();
    assert_eq!(case.work().items, pictures.len() as f64 - 1.0);
    // A raw stream that is cut: its last image has no end.
    let raw = clip("64x48", "yuvj420p", "mjpeg", "4");
    let cut = raw[..raw.len() - 100].to_vec();
    let told = video(cut.clone(), &[]).err().unwrap();
    assert!(told.contains("frame 5: truncated"), "{told}");
    assert_eq!(video(cut, &skip).unwrap().work().items, 5.0);
    // Something else between two images is a damaged picture of its own.
    let mut mixed = raw.clone();
    mixed.extend(b"0123456789");
    mixed.extend(&raw);
    let told = video(mixed.clone(), &[]).err().unwrap();
    assert!(told.contains("frame 6: no JPEG starts here"), "{told}");
    assert_eq!(video(mixed.clone(), &skip).unwrap().work().items, 12.0);
    assert_eq!(read_all(&mixed).1.len(), 13);
    let none = damaged(&file, &[0, 1, 2, 3, 4, 5]);
    let told = video(none, &skip).err().unwrap();
    assert!(told.contains("frame 0: "), "{told}");
}

#[test]
fn avi_ends_at_its_limit_and_names_what_has_none() {
    let rate = FrameRate { rate: 25, scale: 1 };
    let film = Film { container: Container::Avi, width: 16, height: 16, rate };
    let mut sink = Vec::new();
    let mut muxer = Muxer::start(film, &mut sink).unwrap();
    let image = vec![0; 1 << 20];
    let mut written = 0;
    let full = loop {
        // Nothing that was written is looked at again.
        sink.clear();
        match muxer.picture(Some(&image), &mut sink) {
            Ok(()) => written += 1,
            Err(MuxError::Full(problem)) => break problem,
            Err(other) => panic!("{other}"),
        }
    };
    // (2^32 − 1 − 8 − 224) / (2^20 + 8 + 16) = 4095.9
    assert_eq!(written, 4095);
    assert!(full.starts_with("picture 4095 would pass the 4 GiB"), "{full}");
    assert!(full.contains(".mjpeg"), "{full}");
    let raw = Film { container: Container::Mjpeg, ..film };
    let mut muxer = Muxer::start(raw, &mut sink).unwrap();
    for _ in 0..4200 {
        sink.clear();
        muxer.picture(Some(&image), &mut sink).unwrap();
    }
}

/// What both ways to read find: whether each picture is good, dropped, or what is wrong with it.
fn both_ways(file: &[u8]) -> Vec<Result<bool, String>> {
    let streamed = read_all(file).1;
    let streamed: Vec<_> =
        streamed.iter().map(|p| parsed(p).map(|frame| frame.is_some())).collect();
    let told = streamed.iter().enumerate().find_map(|(i, p)| Some((i, p.as_ref().err()?)));
    match (parse(file, Damaged::Fail), told) {
        (Ok(movie), None) => {
            let present: Vec<bool> = streamed.iter().flatten().copied().collect();
            assert_eq!(movie.present, present);
        }
        (Err(at_once), Some((number, problem))) => {
            assert_eq!(at_once, format!("frame {number}: {problem}"));
        }
        (at_once, told) => panic!("{:?}, as a stream {told:?}", at_once.map(|m| m.present)),
    }
    if let Ok(movie) = parse(file, Damaged::Skip) {
        assert_eq!(movie.present.len(), streamed.len());
    }
    streamed
}

/// An AVI file with its sizes filled in, as no pipe can write it: frames of 64 x 48.
fn seekable(pictures: usize) -> Vec<u8> {
    let what = synth::Synthetic { frames: pictures, width: 64, height: 48, seed: 2, quality: 70 };
    synth::movie(&what).unwrap()
}

#[test]
fn where_the_structure_is_damaged_reading_goes_on_with_the_next_picture_either_way() {
    let file = seekable(6);
    let movie = parse(&file, Damaged::Fail).unwrap();
    assert_eq!(both_ways(&file), [const { Ok(true) }; 6]);
    // The head of the chunk after frame 2.
    let at = movie.frames[2].end.next_multiple_of(2);
    let mut wrong = file.clone();
    wrong[at..at + 4].fill(7);
    let found = both_ways(&wrong);
    assert_eq!(found.len(), 6);
    assert!(found.iter().enumerate().all(|(i, found)| (i == 3) == found.is_err()), "{found:?}");
    let told = found[3].as_ref().unwrap_err();
    assert!(told.contains(&format!("damaged at byte {at}")), "{told}");
    // Its length: beyond the list of pictures.
    let mut long = file.clone();
    long[at + 7] = 1;
    let found = both_ways(&long);
    assert!(found[3].as_ref().unwrap_err().contains("bytes are not there"), "{found:?}");
    assert!(found.len() == 6 && found[4..] == [const { Ok(true) }; 2], "{found:?}");
    // Its length: so short that what follows is no chunk. The picture lacks its end, and the rest is a hole.
    let mut short = file.clone();
    short[at + 4..at + 8].copy_from_slice(&64u32.to_le_bytes());
    let found = both_ways(&short);
    assert!(found[3].is_err() && found[4].is_err(), "{found:?}");
    assert!(found.len() == 7 && found[5..] == [const { Ok(true) }; 2], "{found:?}");
    // A list whose length is wrong by a few bytes, or is not known.
    let list = file.windows(4).position(|w| w == b"movi").unwrap() - 4;
    let length = u32::from_le_bytes(*file[list..].first_chunk().unwrap());
    for off in [-12, -8, -4, 4, 8, 12] {
        let mut other = file.clone();
        other[list..list + 4].copy_from_slice(&length.wrapping_add_signed(off).to_le_bytes());
        assert_eq!(both_ways(&other), [const { Ok(true) }; 6], "{off}");
    }
    let mut open = wrong.clone();
    open[list..list + 4].fill(0xff);
    let found = both_ways(&open);
    assert!(found.len() == 6 && found[3].is_err(), "{found:?}");
    // All the rest: nothing more is found.
    let mut lost = file.clone();
    lost[at..].fill(7);
    assert_eq!(both_ways(&lost).len(), 4);
    // Cut inside frame 4, and between two.
    let inside = both_ways(&file[..movie.frames[4].end - 9]);
    assert_eq!(inside.len(), 5);
    assert!(inside[4].as_ref().unwrap_err().contains("the file ends inside it"));
    let between = both_ways(&file[..movie.frames[3].end.next_multiple_of(2)]);
    assert_eq!(between.len(), 5);
    assert!(between[4].as_ref().unwrap_err().contains("the file ends before it"));
}

/// A film of 64 x 48 with sound between its pictures, its list's length filled in or as a pipe leaves it.
fn with_sound(known: bool) -> Vec<u8> {
    let video = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.24"];
    let sound = ["-f", "lavfi", "-i", "sine=d=0.24", "-c:a", "pcm_s16le"];
    let end = ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-f", "avi", "pipe:1"];
    let mut file = pipe("ffmpeg", &[&["-v", "error"], &video[..], &sound, &end].concat(), &[]);
    let list = file.windows(4).position(|w| w == b"movi").unwrap();
    assert!(file.windows(4).any(|w| w == b"01wb"), "there is sound");
    if known {
        // Nothing follows it in what a pipe is given.
        let length = (file.len() - list) as u32;
        file[list - 4..list].copy_from_slice(&length.to_le_bytes());
    }
    file
}

#[test]
fn both_ways_find_the_same_in_files_with_holes() {
    let mut random = Random::new(5, 1);
    let mut below = |bound: usize| ((random.signed().abs() * bound as f32) as usize).min(bound - 1);
    for whole_file in [seekable(6), with_sound(true), with_sound(false)] {
        let mut found = 0;
        for _ in 0..400 {
            let mut file = whole_file.clone();
            for _ in 0..=below(3) {
                let at = below(file.len());
                let end = file.len().min(at + 1 + below(40));
                let value = below(256) as u8;
                file[at..end].fill(value);
            }
            file.truncate(file.len() - below(4) / 3 * below(file.len()));
            let at_once = parse(&file, Damaged::Skip);
            let Ok(mut reader) = VideoReader::open(Box::new(Cursor::new(file))) else {
                assert!(at_once.is_err());
                continue;
            };
            let streamed = std::iter::from_fn(|| reader.picture().unwrap());
            let streamed: Vec<_> = streamed.map(|p| parsed(&p).ok().flatten()).collect();
            let Ok(movie) = at_once else {
                assert!(streamed.iter().all(Option::is_none), "none is good");
                continue;
            };
            assert_eq!((movie.rate, movie.present.len()), (reader.rate(), streamed.len()));
            // Of those that are good alone some may be unlike the others.
            let layout = movie.frames[0].layout;
            let alike = |frame: &Option<Frame>| frame.as_ref().is_some_and(|f| f.layout == layout);
            assert_eq!(movie.present, streamed.iter().map(alike).collect::<Vec<_>>());
            found += movie.frames.len();
        }
        assert!(found > 400 * 3, "most pictures are found: {found}");
    }
}

#[test]
fn files_that_were_never_finished_and_room_that_was_never_used_are_read() {
    let file = seekable(3);
    let whole = [const { Ok(true) }; 3];
    let mut padded = file.clone();
    padded.extend([0; 4096]);
    assert_eq!(both_ways(&padded), whole);
    // A writer that was stopped: sizes of 0, no index.
    let mut unfinished = file.clone();
    let movi = unfinished.windows(4).position(|w| w == b"movi").unwrap();
    unfinished.truncate(unfinished.windows(4).position(|w| w == b"idx1").unwrap());
    for unknown in [0, 0xff] {
        unfinished[4..8].fill(unknown);
        unfinished[movi - 4..movi].fill(unknown);
        assert_eq!(both_ways(&unfinished), whole);
    }
    // Pictures in groups, with something else in between, and a second RIFF list.
    let chunk = |name: &[u8], content: &[u8]| {
        let length = (content.len() as u32).to_le_bytes();
        [name, &length, content, &vec![0; content.len() & 1]].concat()
    };
    let pictures = &unfinished[movi + 4..];
    let group = chunk(b"LIST", &[b"rec ".as_slice(), &chunk(b"01wb", &[1; 33]), pictures].concat());
    let list = chunk(b"LIST", &[b"movi".as_slice(), &chunk(b"JUNK", &[9; 7]), &group].concat());
    let first = [&file[..movi - 8], &list].concat();
    let second = chunk(b"RIFF", &[b"AVIX".as_slice(), &list].concat());
    assert_eq!(both_ways(&[first, second].concat()), [const { Ok(true) }; 6]);
    let open = |bytes: &[u8]| VideoReader::open(Box::new(Cursor::new(bytes.to_vec()))).err();
    for (bytes, told) in [
        (b"".as_slice(), "is empty"),
        (b"GIF89a, say", "is neither AVI nor raw"),
        (b"RIFF\0\0\0\0AVI LIST\x04\0\0\0movi", "has picture data before its headers"),
        (&file[..12], "is an AVI file without headers"),
        (&file[..movi - 8], "holds no video frame"),
    ] {
        assert!(open(bytes).unwrap().contains(told), "{told}");
        assert!(parse(bytes, Damaged::Skip).unwrap_err().contains(told), "{told}");
    }
}

#[test]
fn damage_in_a_raw_stream_costs_the_pictures_that_it_hits() {
    let file = clip("64x48", "yuvj420p", "mjpeg", "4");
    let movie = parse(&file, Damaged::Fail).unwrap();
    // A marker that seems to have a length, over the next pictures.
    let mut marked = file.clone();
    let middle = movie.frames[2].intervals[1].start + 5;
    marked[middle..middle + 4].copy_from_slice(&[0xff, 0x37, 0x7f, 0xff]);
    let found = both_ways(&marked);
    let good: Vec<bool> = found.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, true, false, true, true, true]);
    // Zeros between pictures and after them are nothing.
    let mut padded = Vec::new();
    let mut start = 0;
    for frame in &movie.frames {
        padded.extend(&file[start..frame.end]);
        padded.extend([0; 37]);
        start = frame.end;
    }
    assert_eq!(both_ways(&padded), [const { Ok(true) }; 6]);
    // A size that its bytes cannot hold claims no memory.
    let mut huge = file.clone();
    let sof = huge.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    huge[sof + 5..sof + 9].fill(0xff);
    let told = both_ways(&huge)[0].clone().unwrap_err();
    assert!(
        told.contains("too few for 65535 x 65535 samples") || told.contains("intervals"),
        "{told}"
    );
    // The others are the norm, not the one whose size is damaged.
    let mut taller = file;
    taller[sof + 6] += 16;
    if let Ok(movie) = parse(&taller, Damaged::Skip) {
        assert_eq!(movie.present, [false, true, true, true, true, true]);
    }
    let asked = Asked { width: None, height: None, quality: 85 };
    let first = Transcoder::of_first(&read_all(&taller).1, 0, &asked).unwrap().unwrap();
    assert_eq!(first.size(), (32, 24));
}

#[test]
fn results_that_are_too_large_are_refused_by_size() {
    let pictures = read_all(&seekable(1)).1;
    let asked = Asked { width: Some(16384), height: None, quality: 85 };
    assert_eq!(Transcoder::of_first(&pictures, 0, &asked).unwrap().unwrap().size(), (16384, 12288));
    let asked = Asked { height: Some(16384), ..asked };
    assert!(Transcoder::of_first(&pictures, 0, &asked).is_ok());
    let asked = Asked { width: None, height: Some(12289), ..asked };
    let told = Transcoder::of_first(&pictures, 0, &asked).err().unwrap();
    assert!(told.contains("64 x 48 would become 16385 x 12289; at most 16384"), "{told}");
}

#[test]
fn the_range_of_samples_is_kept() {
    // Studio range, as ffmpeg says it in a comment: white is 235.
    let source = "color=white:s=64x64:r=25:d=0.2,format=yuv420p";
    let head = ["-v", "error", "-f", "lavfi", "-i", source, "-strict", "unofficial"];
    let tail = ["-color_range", "tv", "-c:v", "mjpeg", "-f", "avi", "pipe:1"];
    let file = pipe("ffmpeg", &[&head[..], &tail].concat(), &[]);
    assert!(parse(&file, Damaged::Fail).unwrap().frames[0].layout.studio_range);
    let output = kept(&*video(file, &[]).unwrap()).remove("output.avi").unwrap();
    let frames = ffmpeg_frames(&output, "gray");
    assert!(frames.iter().all(|&sample| sample >= 254), "{:?}", &frames[..4]);
}
