//! Building and running programs: sizes, counts, stack, files, and everything that can go wrong.

#![allow(clippy::expect_used)]

mod support;

use std::process::Command;
use std::time::Duration;

use ounce_tiny::runtime::{self, scratch};
use ounce_tiny::simulate::{Build, Image, Report, Run, SimulateError, Target, Tool};
use support::simulation_is_possible;

fn compile(build: Build, folder: &tempfile::TempDir, text: &str) -> Result<Image, SimulateError> {
    build.text("main.c", format!("#include \"ounce_board.h\"\n{text}")).compile(folder.path())
}

fn run(target: Target, text: &str) -> Result<(Image, Report, tempfile::TempDir), SimulateError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = compile(Build::new(target), &folder, text)?;
    let report = Run::new().limit(Duration::from_secs(20)).execute(&image, folder.path())?;
    Ok((image, report, folder))
}

#[test]
fn counts_are_exact_and_repeat() -> Result<(), SimulateError> {
    if !simulation_is_possible() {
        return Ok(());
    }
    let text = "
        static void spend(uint32_t rounds) {
            __asm__ volatile(\"1: subs %0, #1\\n\\tbne 1b\" : \"+r\"(rounds) :: \"cc\");
        }
        int ounce_main(void) {
            ounce_mark(); ounce_mark(); spend(1000U); ounce_mark(); spend(100000U); ounce_mark();
            return 7;
        }";
    for target in Target::ALL {
        let (image, report, folder) = run(target, text)?;
        assert_eq!(report.status, 7);
        let spans = report.spans();
        // Two instructions a round, besides the call of the mark and the loading of the number.
        assert!((1..8).contains(&spans[0]), "{spans:?}");
        assert!((2000..2016).contains(&spans[1]), "{spans:?}");
        assert!((200_000..200_016).contains(&spans[2]), "{spans:?}");
        assert!(report.instructions > *report.marks.last().expect("four marks"));
        assert_eq!(Run::new().execute(&image, folder.path())?, report);
    }
    Ok(())
}

#[test]
fn files_text_and_sizes_are_reported() -> Result<(), SimulateError> {
    if !simulation_is_possible() {
        return Ok(());
    }
    let text = "
        static int8_t zeros[1000];
        static volatile int32_t values[100] = {1, 2, 3};
        static const int8_t constants[500] = {1};
        int ounce_main(void) {
            int32_t in = ounce_open_read(\"in\"), out = ounce_open_write(\"out\");
            int32_t got = ounce_read(in, zeros, sizeof zeros);
            (void)ounce_write(out, zeros, (size_t)got);
            (void)ounce_close(in); (void)ounce_close(out);
            ounce_print(\"done\\n\");
            return (int)(values[1] + constants[got]) + (ounce_open_read(\"absent\") < 0 ? 10 : 20);
        }";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = compile(Build::new(Target::CortexM7).stack(2048), &folder, text)?;
    std::fs::write(folder.path().join("in"), "a data set").expect("a file");
    let report = Run::new().execute(&image, folder.path())?;
    assert_eq!((report.status, report.output.as_str()), (12, "done\n"));
    assert_eq!(std::fs::read(folder.path().join("out")).expect("the program's file"), b"a data set");
    let sizes = image.sizes;
    assert_eq!((sizes.stack, sizes.data), (2048, 400));
    assert!((1000..1064).contains(&sizes.bss), "{sizes:?}");
    assert!((500..700).contains(&sizes.rodata), "{sizes:?}");
    assert!((100..4000).contains(&sizes.text), "{sizes:?}");
    assert_eq!(sizes.ram(), sizes.data + sizes.bss + sizes.stack);
    Ok(())
}

#[test]
fn the_peak_of_the_stack_is_found_and_its_end_guarded() -> Result<(), SimulateError> {
    if !simulation_is_possible() {
        return Ok(());
    }
    let text = |bytes: usize| {
        format!(
            "int ounce_main(void) {{ volatile int8_t used[{bytes}];
             for (int32_t i = 0; i < {bytes}; i++) {{ used[i] = 1; }} return used[5] - 1; }}"
        )
    };
    let (_, small, _) = run(Target::CortexM4, &text(1000))?;
    let (_, large, _) = run(Target::CortexM4, &text(3000))?;
    assert!((1000..1200).contains(&small.stack_peak), "{}", small.stack_peak);
    assert!((1990..2010).contains(&(large.stack_peak - small.stack_peak)));
    for target in Target::ALL {
        let fault = run(target, &text(5000));
        assert!(matches!(fault, Err(SimulateError::Fault { stack: 4096 })), "{fault:?}");
    }
    Ok(())
}

#[test]
fn what_does_not_fit_or_end_or_compile_is_refused() {
    if !simulation_is_possible() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let large = "static volatile int8_t large[70000]; int ounce_main(void) { return large[1]; }";
    let result = compile(Build::new(Target::CortexM7).ram(64 << 10), &folder, large);
    match result {
        Err(SimulateError::TooLarge { memory: "RAM", missing }) => {
            assert!((8000..9000).contains(&missing), "{missing}");
        }
        other => panic!("{other:?}"),
    }
    let result = compile(Build::new(Target::CortexM7).flash(400), &folder, large);
    assert!(matches!(result, Err(SimulateError::TooLarge { memory: "flash", .. })), "{result:?}");
    let result = compile(Build::new(Target::CortexM7).ram(5 << 20), &folder, large);
    assert!(matches!(result, Err(SimulateError::NoSuchMemory { memory: "RAM", .. })), "{result:?}");
    let result = compile(Build::new(Target::CortexM7), &folder, "int ounce_main(void) { return x; }");
    match result {
        Err(SimulateError::Compile { output, .. }) => assert!(output.contains("undeclared"), "{output}"),
        other => panic!("{other:?}"),
    }
    let endless = "int ounce_main(void) { for (;;) { } }";
    let image = compile(Build::new(Target::CortexM7), &folder, endless).expect("it compiles");
    let result = Run::new().limit(Duration::from_millis(300)).execute(&image, folder.path());
    assert!(matches!(result, Err(SimulateError::TimeOut { .. })), "{result:?}");
}

#[test]
fn the_run_time_compiles_for_processors_without_simd_or_floating_point() {
    if !simulation_is_possible() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in runtime::HEADERS.iter().chain(runtime::SOURCES) {
        std::fs::write(folder.path().join(file.name), file.text).expect("a file");
    }
    let processors: [&[&str]; 4] = [
        &["-mcpu=cortex-m0"],
        &["-mcpu=cortex-m3"],
        &["-mcpu=cortex-m4", "-mfloat-abi=soft"],
        &["-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"],
    ];
    for processor in processors {
        for optimize in ["-Os", "-O3"] {
            let compiled = Command::new(Tool::CrossCompiler.program())
                .current_dir(folder.path())
                .args(processor)
                .args(runtime::REQUIRED_FLAGS)
                .args(runtime::WARNINGS)
                .args(["-mthumb", optimize, "-c"])
                .args(runtime::SOURCES.iter().map(|file| file.name))
                .output()
                .expect("the compiler starts");
            let errors = String::from_utf8_lossy(&compiled.stderr);
            assert!(compiled.status.success(), "{processor:?} {optimize}: {errors}");
        }
    }
}

#[test]
fn code_is_no_larger_than_is_said() {
    if !simulation_is_possible() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in runtime::HEADERS.iter().chain(runtime::SOURCES) {
        std::fs::write(folder.path().join(file.name), file.text).expect("a file");
    }
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).current_dir(folder.path()).args(arguments).output();
        let output = output.expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for target in Target::ALL {
        for file in runtime::SOURCES {
            let options = [target.compiler_flags(), runtime::REQUIRED_FLAGS].concat();
            run(
                Tool::CrossCompiler.program(),
                &[&options[..], &["-O2", "-c", file.name, "-o", "a.o"]].concat(),
            );
            let sizes = run("arm-none-eabi-size", &["a.o"]);
            let text =
                sizes.lines().nth(1).and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            let (text, most) = (text.expect("the size of a section"), runtime::code_bytes(file));
            assert!(
                text <= most && 2 * text > most / 2,
                "{target:?}: {} has {text} bytes, not {most}",
                file.name
            );
        }
    }
}

#[test]
fn scratch_is_the_same_for_planner_and_kernel() {
    let mut program = support::Program::default();
    let mut expected = Vec::new();
    let mut sizes = Vec::new();
    for (a, b, k, l) in [(1, 1, 1, 1), (5, 7, 3, 3), (64, 63, 5, 4), (8, 9, 7, 9)] {
        sizes.push(format!("OUNCE_POINTWISE_SCRATCH({b})"));
        expected.push(scratch::pointwise(b));
        sizes.push(format!("OUNCE_CONV_SCRATCH({k}, {l}, {a})"));
        expected.push(scratch::conv([k, l], a));
        sizes.push(format!("OUNCE_DEPTHWISE_SCRATCH({a}, {b}, {k}, {l})"));
        expected.push(scratch::depthwise([a, b], [k, l]));
        sizes.push(format!("OUNCE_DEPTHWISE_GRADIENT_SCRATCH({a}, {b}, {k}, {l})"));
        expected.push(scratch::depthwise_gradient([a, b], [k, l]));
    }
    let expected: Vec<i32> = expected.into_iter().map(|bytes| bytes as i32).collect();
    let name = program.result::<i32>(expected.len());
    for (at, size) in sizes.iter().enumerate() {
        program.call(&format!("{name}[{at}] = {size};"));
    }
    program.expect("sizes", &name, &expected);
    program.end_case();
    program.run_everywhere();
}
