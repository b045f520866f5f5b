//! `align`: files in, a table out.

use super::{breakeven, file, folder, run, stderr, stdout};

const QUERIES: &str = "@r1 first\nACGT\n+\nIIII\n@r2\nCAAG\n+\nIIII\n";
const TARGETS: &str = ">w1\nTTACG\nTGG\n>w2\nCAG\n";

#[test]
fn pairs_by_order_become_a_table() {
    let folder = folder();
    let queries = file(folder.path(), "reads.fastq", QUERIES);
    let targets = file(folder.path(), "windows.fasta", TARGETS);
    let told = stdout(&run(folder.path(), &["align", &queries, &targets], 0));
    // ACGT at columns 2 to 5; of CAAG in CAG the stretch CA, at rows 0 to 1.
    let header = "query\ttarget\tscore\tquery_end\ttarget_end";
    assert_eq!(told, format!("{header}\nr1\tw1\t4\t3\t5\nr2\tw2\t2\t1\t1\n"));
    let arguments = ["align", &queries, &targets, "--cigar", "--mode", "global", "-o", "out"];
    assert_eq!(stdout(&run(folder.path(), &arguments, 0)), "");
    let table = std::fs::read_to_string(folder.path().join("out/alignments.tsv")).expect("a table");
    // Global: a gap of 2 at either end of ACGT, 4 − 8 − 8; 3 − 7 for CAAG.
    assert_eq!(
        table,
        format!(
            "{header}\tquery_start\ttarget_start\tcigar\n\
             r1\tw1\t-12\t3\t7\t0\t0\t2D4=2D\nr2\tw2\t-4\t3\t2\t0\t0\t1=1I2=\n"
        )
    );
}

#[test]
fn a_table_has_its_name_once_it_is_whole_and_is_never_lost() {
    let folder = folder();
    let queries = file(folder.path(), "reads.fastq", QUERIES);
    let targets = file(folder.path(), "windows.fasta", TARGETS);
    let one = file(folder.path(), "one.fasta", ">w1\nTTACGT\n");
    let arguments = ["align", &queries, &targets, "-o", "out"];
    let told = stderr(&run(folder.path(), &arguments, 0));
    assert!(told.contains("2 pairs are in out/alignments.tsv"), "{told}");
    let again = stderr(&run(folder.path(), &arguments, 2));
    assert!(again.contains("out/alignments.tsv exists and would be lost"), "{again}");
    let cut = run(folder.path(), &["align", &queries, &one, "-o", "cut"], 2);
    assert!(stderr(&cut).contains("ends after 1 record"));
    assert!(!folder.path().join("cut/alignments.tsv").exists());
    // What was aligned before the error is there; nothing of a table where nothing was.
    let part = stdout(&run(folder.path(), &["align", &queries, &one], 2));
    assert_eq!(part.lines().last(), Some("r1\tw1\t4\t3\t5"));
    let bad = file(folder.path(), "bad.fasta", ">w1\nTT!\n");
    assert_eq!(stdout(&run(folder.path(), &["align", &queries, &bad], 2)), "");
}

#[test]
fn every_target_meets_every_query_from_standard_input() {
    let folder = folder();
    let queries = file(folder.path(), "q.fasta", ">q1\nWC\n>q2\nCC\n");
    let scoring = ["--matrix", "blosum62", "--gap-open", "12", "--gap-extend", "1"];
    let arguments = ["align", &queries, "-", "--pairing", "all", "--alphabet", "protein"];
    let assert = breakeven(folder.path())
        .args(arguments.iter().chain(&scoring))
        .write_stdin(">t1\nWC\n>t2\nAWA\n")
        .assert()
        .code(0);
    // W–W 11, C–C 9.
    let rows: Vec<String> = stdout(&assert).lines().skip(1).map(str::to_owned).collect();
    let expected = ["q1\tt1\t20\t1\t1", "q2\tt1\t9\t0\t1", "q1\tt2\t11\t0\t1", "q2\tt2\t0\t-1\t-1"];
    assert_eq!(rows, expected);
}

#[test]
fn what_is_wrong_is_named_with_the_next_step() {
    let folder = folder();
    let queries = file(folder.path(), "reads.fastq", QUERIES);
    let one = file(folder.path(), "one.fasta", ">w1\nTTACGT\n");
    let bad = file(folder.path(), "bad.fasta", ">w1\nTTACGT\n>w2\nTT!\n");
    let told = |arguments: &[&str]| stderr(&run(folder.path(), arguments, 2));
    let unequal = told(&["align", &queries, &one]);
    assert!(
        unequal.contains("one.fasta ends after 1 record, ") && unequal.contains("--pairing all")
    );
    let letter = told(&["align", &queries, &bad]);
    assert!(letter.contains("bad.fasta: line 4: record `w2` holds '!'"), "{letter}");
    let missing = told(&["align", &queries, "no.fasta"]);
    assert!(missing.contains("no.fasta: cannot be read"), "{missing}");
    let text = file(folder.path(), "text.txt", "hello");
    assert!(told(&["align", &text, &one]).contains("does not start with '>' or '@'"));
    let gaps = told(&["align", &queries, &one, "--gap-open", "1", "--gap-extend", "2"]);
    assert!(gaps.contains("gap_open = 1") && gaps.contains("at least gap_extend = 2"), "{gaps}");
    let dna = told(&["align", &queries, &one, "--matrix", "blosum62"]);
    assert!(dna.contains("--matrix is for proteins; give --alphabet protein"), "{dna}");
    let protein = told(&["align", &queries, &one, "--alphabet", "protein", "--match", "3"]);
    assert!(protein.contains("scores of proteins come from --matrix"), "{protein}");
    assert!(told(&["align", "-", "-"]).contains("only one of QUERIES and TARGETS"));
    assert!(told(&["align", &queries, "."]).contains("is a folder"));
    let amino = file(folder.path(), "amino.fasta", ">p1\nMKF\n>p2\nMK\n");
    assert!(told(&["align", &queries, &amino]).contains("or is the alphabet protein?"));
    assert!(told(&["align", &queries, &one, "--threads", "0"]).contains("0 is not in 1..=1024"));
    let format = told(&["align", &queries, &one, "--format", "json"]);
    assert!(format.contains("leave --format out"), "{format}");
}
