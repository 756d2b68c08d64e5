//! The body of a `bt_complete`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    if let Ok(reports) = fltorrent_records::report::decode_reports(body) {
        assert!(reports.iter().all(|report| report.check().is_ok()));
    }
});
