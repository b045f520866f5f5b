//! Cases: parameters, keys, files and what is kept.

use std::io::{self, Read};

use proptest::prelude::*;

use super::scoring::Alphabet;
use super::stream::{PairStream, Records, StreamError, align_pairs, table_rows};
use super::*;
use crate::params::Value;
use crate::work::{DeviceInfo, Keep, Program, Tuning};

/// Files by name, in memory.
struct Shelf(Vec<(&'static str, Vec<u8>)>);

impl Files for Shelf {
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        match self.0.iter().find(|(known, _)| *known == name) {
            Some((_, bytes)) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Keep for Shelf {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn io::Write + '_>> {
        let name = if name == "alignments.tsv" { "alignments.tsv" } else { "" };
        self.0.push((name, Vec::new()));
        Ok(Box::new(&mut self.0.last_mut().expect("it was pushed").1))
    }
}

fn table(entries: &[(&str, Value)]) -> Params {
    let mut params = Params::default();
    for (key, value) in entries {
        params.set(key, value.clone());
    }
    params
}

fn file_case(shelf: &Shelf) -> Result<Box<dyn Case>, CaseError> {
    let text = |name: &str| Value::Text(name.into());
    let input = table(&[("queries", text("in/reads.fastq")), ("targets", text("windows.fasta"))]);
    AlignmentFamily.case(&table(&[("input", Value::Table(input))]), shelf)
}

#[test]
fn keys_are_canonical() {
    let input = table(&[
        ("pairs", Value::Int(20000)),
        ("query", Value::Int(150)),
        ("target", Value::Int(300)),
    ]);
    let case = AlignmentFamily
        .case(&table(&[("input", Value::Table(input.clone()))]), &Shelf(Vec::new()))
        .expect("a good case");
    assert_eq!(
        case.key(),
        "alignment mode=local alphabet=dna match=1 mismatch=-4 gap_open=7 gap_extend=1 \
         pairs=20000 query=150 target=300 error=0.02 seed=1"
    );
    let protein = Value::Text("protein".into());
    let case = AlignmentFamily
        .case(&table(&[("alphabet", protein), ("input", Value::Table(input))]), &Shelf(Vec::new()))
        .expect("a good case");
    assert!(case.key().contains("alphabet=protein matrix=blosum62 gap_open=11 gap_extend=1 pairs"));
    assert_eq!(case.work().useful, 20000.0 * 150.0 * 300.0);
}

#[test]
fn a_matrix_from_a_file_scores_and_is_named_in_the_key() {
    // Rows are the query's: A against C scores 2, C against A −3. X comes from the file, W is missing.
    let text =
        "# a comment\n   A  C  X  J\nA  4  2 -1  9\nC -3  9 -2  9\nX -1 -1  1  9\nJ 9 9 9 9\n";
    let shelf = |text: &str| Shelf(vec![("m/own.txt", text.as_bytes().to_vec())]);
    let scoring = |text: &str| {
        let matrix = table(&[("matrix", Value::Text("m/own.txt".into()))]);
        let input = [("pairs", Value::Int(1)), ("query", Value::Int(1)), ("target", Value::Int(1))];
        let params = table(&[
            ("alphabet", Value::Text("protein".into())),
            ("scoring", Value::Table(matrix)),
            ("input", Value::Table(table(&input))),
        ]);
        AlignmentFamily.case(&params, &shelf(text))
    };
    // Digits from sha256sum.
    let key = scoring(text).expect("a good matrix").key();
    assert!(key.contains(" matrix=own.txt@a4d9adc3f5ae gap_open=11"), "{key}");
    let (scores, best, worst) = matrix::parse(text, Alphabet::Protein).expect("a good matrix");
    let score = |query: u8, target: u8| {
        let code = |letter| usize::from(Alphabet::Protein.encode(letter).expect("a letter"));
        scores[code(query) * 32 + code(target)]
    };
    let found = [(b'A', b'C'), (b'C', b'A'), (b'J', b'O'), (b'W', b'W')].map(|(q, t)| score(q, t));
    assert_eq!((found, best, worst), ([2, -3, 1, -3], 9, -3));
    let wrong = |text: &str| scoring(text).err().expect("an error").to_string();
    assert!(wrong("A C\nA 4\nC 1 1\n").contains("m/own.txt: line 2: 1 scores for 2 letters"));
    assert!(wrong("A C\nA 4 x\n").contains("line 2: x is no whole number from -100 to 100"));
    assert!(wrong("A !\n").contains("line 1: `!` is no protein letter"));
    assert!(wrong("A C\nA -1 0\nC 0 -1\n").contains("no score in it is above 0"));
    assert!(wrong("").contains("holds no matrix"));
    assert!(wrong("A C A\nA 4 1 4\n").contains("line 1: A stands there twice"));
    assert!(wrong("A C\nA 4 1\nA 4 1\n").contains("line 3: A is no column, or has a row already"));
    assert!(wrong("A C\nA 4 1\nD 1 4\n").contains("line 3: D is no column"));
    assert!(wrong("A C\nA 4 1\n").contains("holds 1 rows for 2 columns"));
}

#[test]
fn ways_are_an_output_of_their_own() {
    let input = [("pairs", 40), ("query", 30), ("target", 60)];
    let input = table(&input.map(|(key, value)| (key, Value::Int(value))));
    let params = table(&[("output", Value::Text("cigar".into())), ("input", Value::Table(input))]);
    let case = AlignmentFamily.case(&params, &Shelf(Vec::new())).expect("a good case");
    assert!(case.key().contains("gap_extend=1 output=cigar pairs=40"), "{}", case.key());
    let input = case.input(3).expect("an input");
    let native = AlignmentFamily.implementations()[0].clone();
    let program = input.program(&native, &DeviceInfo::bare_cpu(), &Tuning::default());
    let Ok(Program::Native(mut program)) = program else { panic!("a native program") };
    program.poison();
    program.run().expect("a run");
    let mut outputs = program.outputs();
    assert_eq!(input.check(&outputs).expect("right answers").compared, 40 * 4);
    let mut kept = Shelf(Vec::new());
    input.keep(&outputs, &mut kept).expect("kept");
    let table = String::from_utf8(kept.0[0].1.clone()).expect("text");
    let mut rows = table.lines();
    let header = "query\ttarget\tscore\tquery_end\ttarget_end\tquery_start\ttarget_start\tcigar";
    assert_eq!(rows.next(), Some(header));
    assert!(rows.all(|row| row.split('\t').count() == 8), "{table}");
    let at = outputs[1].iter().position(|&byte| byte == b'=').expect("a pair");
    outputs[1][at] = b'X';
    let message = input.check(&outputs).expect_err("a wrong way").to_string();
    assert!(message.contains("pair 0 (0 against 0): expected the way"), "{message}");
}

#[test]
fn bad_parameters_are_named() {
    let wrong = |params: &[(&str, Value)]| {
        let error = AlignmentFamily.case(&table(params), &Shelf(Vec::new())).err();
        error.expect("an error").to_string()
    };
    let inner = |key: &str, value: i64| Value::Table(table(&[(key, Value::Int(value))]));
    assert!(wrong(&[("mode", Value::Text("globl".into()))]).contains("did you mean `global`?"));
    assert!(wrong(&[("scoring", inner("gap_opn", 7))]).contains("did you mean `gap_open`?"));
    assert!(wrong(&[("scoring", inner("gap_open", 0))]).contains("at least gap_extend = 1"));
    assert!(wrong(&[("input", inner("pairs", 0))]).contains("pairs = 0"));
    assert!(wrong(&[]).contains("`pairs` is missing"));
}

#[test]
fn files_are_read_and_named_in_the_key() {
    let reads = b"@r1 first\nacgt\n+\nIIII\n@r2\nNNAC\n+\nIIII\n".to_vec();
    let windows = b">w1\nTTAC\nGTTT\n>w2\nGGACC\n".to_vec();
    let shelf = Shelf(vec![("in/reads.fastq", reads), ("windows.fasta", windows)]);
    let case = file_case(&shelf).expect("good files");
    // Digits from sha256sum.
    let key = case.key();
    assert!(
        key.ends_with("queries=reads.fastq@c659d0976aa7 targets=windows.fasta@21347b559651"),
        "{key}"
    );
    let input = case.input(0).expect("an input");
    let right: Vec<u8> =
        [4i32, 3, 5, 2, 3, 3].iter().flat_map(|number| number.to_le_bytes()).collect();
    assert_eq!(input.check(std::slice::from_ref(&right)).expect("a right answer").compared, 6);
    let mut wrong = right.clone();
    wrong[12] = 3;
    let message = input.check(&[wrong]).expect_err("a wrong answer").to_string();
    assert!(message.contains("pair 1 (r2 against w2, 4 × 5 residues)"), "{message}");
}

#[test]
fn bad_files_are_named_with_their_line() {
    let good = b">w1\nTTACGT\n>w2\nGGACC\n".to_vec();
    let message = |reads: &[u8]| {
        let shelf =
            Shelf(vec![("in/reads.fastq", reads.to_vec()), ("windows.fasta", good.clone())]);
        file_case(&shelf).err().expect("an error").to_string()
    };
    let cut = message(b"@r1\nACGT\n+\nIIII\n@r2\nAC");
    assert!(
        cut.contains("in/reads.fastq: line 6: record `r2`") && cut.contains("mid-record"),
        "{cut}"
    );
    let short = message(b"@r1\nACGT\n+\nIIII\n@r2\nACGT\n+\nII\n");
    assert!(short.contains("line 5: record `r2`: ") && short.contains("damaged"), "{short}");
    let letter = message(b">r1\nACGT\nAC!T\n>r2\nA\n");
    assert!(letter.contains("line 3: record `r1` holds '!'"), "{letter}");
    let count = message(b">r1\nACGT\n");
    assert!(count.contains("holds 1 records, but windows.fasta holds 2"), "{count}");
    assert!(message(b"").contains("holds no record"));
    assert!(message(b"PK\x03\x04").contains("does not start with '>' or '@'"));
    let missing = file_case(&Shelf(Vec::new())).err().expect("an error").to_string();
    assert!(missing.contains("in/reads.fastq"), "{missing}");
}

#[test]
fn gzip_files_are_unpacked_and_cut_ones_refused() {
    // gzip of ">r1\nACGT\n>r2\nNNAC\n", by Python.
    #[rustfmt::skip]
    let packed = [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xb3, 0x2b, 0x32, 0xe4, 0x72, 0x74,
        0x76, 0x0f, 0xe1, 0xb2, 0x2b, 0x32, 0xe2, 0xf2, 0xf3, 0x73, 0x74, 0xe6, 0x02, 0x00, 0x77, 0x84,
        0x5b, 0x82, 0x12, 0x00, 0x00, 0x00,
    ];
    let windows = b">w1\nTTACGT\n>w2\nGGACC\n".to_vec();
    let open = |bytes: &[u8]| {
        let files = vec![("in/reads.fastq", bytes.to_vec()), ("windows.fasta", windows.clone())];
        file_case(&Shelf(files))
    };
    assert_eq!(open(&packed).expect("good files").work().useful, 4.0 * 6.0 + 4.0 * 5.0);
    let message = open(&packed[..24]).err().expect("an error").to_string();
    assert!(message.contains("in/reads.fastq: cannot be unpacked or read"), "{message}");
}

/// A FASTQ file with some bytes changed, dropped or doubled.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let good: Vec<u8> = (0..30)
        .flat_map(|i| {
            format!("@r{i} x\n{}\n+\n{}\n", "ACGTN".repeat(i), "IIIII".repeat(i)).into_bytes()
        })
        .collect();
    let length = good.len();
    prop::collection::vec((0..length, any::<u8>(), 0..3u8), 0..6).prop_map(move |changes| {
        let mut bytes = good.clone();
        for (at, byte, kind) in changes {
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at.min(bytes.len()), byte),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn no_file_makes_the_parsers_panic(
        damaged in damaged(), any in prop::collection::vec(any::<u8>(), 0..200), cut in 0..400usize,
    ) {
        let start = [&b">"[..], b"@", b"\x1f\x8b\x08", b""][cut % 4];
        for bytes in [damaged.clone(), [start, &any].concat(), damaged[..cut.min(damaged.len())].to_vec()] {
            let shelf = Shelf(vec![("in/reads.fastq", bytes.clone()), ("windows.fasta", bytes.clone())]);
            let whole = file_case(&shelf).map(|case| case.work().items);
            // In batches a file holds as many records, or is wrong as well.
            let records = Records::open(Box::new(io::Cursor::new(bytes)), Alphabet::Dna)
                .and_then(|records| records.map(|batch| Ok(batch?.len())).sum::<Result<usize, String>>());
            prop_assert_eq!(whole.is_ok(), records.is_ok());
            if let (Ok(items), Ok(records)) = (whole, records) {
                prop_assert_eq!(items, records as f64);
            }
        }
    }
}

/// Batches of a file in memory.
fn batches(text: String) -> Records {
    Records::open(Box::new(io::Cursor::new(text.into_bytes())), Alphabet::Dna).expect("FASTA")
}

#[test]
fn files_come_in_chunks_of_pairs_in_order() {
    let file = |name: &str, records: usize| -> Records {
        batches((0..records).map(|i| format!(">{name}{i}\nACGT\n")).collect())
    };
    let mut stream = PairStream::by_order(Box::new(file("q", 70_000)), Box::new(file("t", 70_000)));
    let (mut chunks, mut rows) = (0, Vec::new());
    let scoring = scoring::Scoring::dna(1, -4, 7, 1);
    while let Some(pairs) = stream.next_chunk().expect("good files") {
        let (found, ways) = align_pairs(&pairs, scoring::Mode::Global, &scoring, true);
        table_rows(&pairs, &found, ways.as_deref(), &mut rows);
        chunks += 1;
    }
    assert!(chunks > 1);
    let rows = String::from_utf8(rows).expect("text");
    assert_eq!(rows.lines().count(), 70_000);
    assert_eq!(rows.lines().nth(69_999), Some("q69999\tt69999\t4\t3\t3\t0\t0\t4="));
    let mut stream = PairStream::by_order(Box::new(file("q", 5)), Box::new(file("t", 9)));
    // What both files have comes first, then why there is no more.
    assert_eq!(stream.next_chunk().expect("pairs").map(|pairs| pairs.len()), Some(5));
    let unequal = StreamError::Unequal { records: 5, more_queries: false };
    assert_eq!(stream.next_chunk(), Err(unequal));
    let bad = batches(">q0\nACGT\n>q1\nAC!\n".into());
    let mut stream = PairStream::by_order(Box::new(bad), Box::new(file("t", 2)));
    assert_eq!(stream.next_chunk().expect("a pair").map(|pairs| pairs.len()), Some(1));
    assert!(
        matches!(stream.next_chunk(), Err(StreamError::Query(problem)) if problem.contains("line 4"))
    );
    let mut stream = PairStream::all(file("q", 3), Box::new(file("t", 2))).expect("queries");
    let pairs = stream.next_chunk().expect("good files").expect("pairs");
    let names = (0..pairs.len()).map(|i| pairs.queries.id(i) + &pairs.targets.id(i));
    assert_eq!(names.collect::<Vec<_>>(), ["q0t0", "q1t0", "q2t0", "q0t1", "q1t1", "q2t1"]);
    assert_eq!(stream.next_chunk(), Ok(None));
}
