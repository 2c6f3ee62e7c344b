//! An image under QEMU.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::tools::Tool;
use super::{Image, SimulateError};

/// The status with which the start-up code ends after a fault.
const STATUS_FAULT: i32 = 125;

/// How a program is run.
#[derive(Clone, Debug)]
pub struct Run {
    limit: Duration,
}

impl Default for Run {
    fn default() -> Self {
        Self { limit: Duration::from_secs(60) }
    }
}

/// What a run was.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// What `ounce_main` returned, or the argument of `ounce_exit`.
    pub status: i32,
    /// Instructions executed, start-up and end included.
    pub instructions: u64,
    /// Instructions executed before each call of `ounce_mark`.
    pub marks: Vec<u64>,
    /// The most bytes of the stack that were in use.
    pub stack_peak: u64,
    /// What the program printed.
    pub output: String,
}

impl Report {
    /// Instructions from each mark to the next.
    pub fn spans(&self) -> Vec<u64> {
        self.marks.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

impl Run {
    /// Up to a minute.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another limit of time.
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit }
    }

    /// Runs `image` in `folder`, where its files are.
    pub fn execute(&self, image: &Image, folder: &Path) -> Result<Report, SimulateError> {
        let counts = folder.join("ounce-counts");
        let stack = folder.join("ounce-stack");
        for old in [&counts, &stack] {
            match std::fs::remove_file(old) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(SimulateError::io(old)(error));
                }
                _ => {}
            }
        }
        let absolute = |path: &Path| std::path::absolute(path).map_err(SimulateError::io(path));
        let plugin =
            format!("{},mark={:#x},out=ounce-counts", absolute(&image.plugin)?.display(), image.mark);
        // Pipes that nobody empties would stop a program that prints much, so its text goes to a file.
        let printed = tempfile::tempfile().map_err(SimulateError::io("a temporary file"))?;
        let handle = || printed.try_clone().map_err(SimulateError::io("a temporary file"));
        let mut child = Command::new(Tool::Emulator.program())
            .args(["-M", image.target.board(), "-nographic", "-monitor", "none", "-serial", "none"])
            .args(["-semihosting-config", "enable=on,target=native", "-plugin", &plugin, "-kernel"])
            .arg(absolute(&image.elf)?)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(handle()?)
            .stderr(handle()?)
            .spawn()
            .map_err(|error| Tool::Emulator.failed(error))?;
        let status = self.wait(&mut child)?;
        let output = read_back(printed)?;
        let code = status.code().unwrap_or(-1);
        if code == STATUS_FAULT {
            return Err(SimulateError::Fault { stack: image.sizes.stack });
        }
        let peak = std::fs::read(&stack).unwrap_or_default();
        let counted = std::fs::read_to_string(&counts).unwrap_or_default();
        let numbers: Option<Vec<u64>> = counted.lines().map(|line| line.parse().ok()).collect();
        match (<[u8; 4]>::try_from(peak), numbers.unwrap_or_default().split_last()) {
            (Ok(peak), Some((instructions, marks))) => Ok(Report {
                status: code,
                instructions: *instructions,
                marks: marks.to_vec(),
                stack_peak: u32::from_le_bytes(peak).into(),
                output,
            }),
            _ => Err(SimulateError::Emulator { status: status.to_string(), output }),
        }
    }

    /// Waits for the end, and stops the child if it does not come in time.
    fn wait(&self, child: &mut Child) -> Result<std::process::ExitStatus, SimulateError> {
        let failed = |error| Tool::Emulator.failed(error);
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                return Ok(status);
            }
            if begin.elapsed() > self.limit {
                child.kill().map_err(failed)?;
                child.wait().map_err(failed)?;
                return Err(SimulateError::TimeOut { limit: self.limit });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn read_back(mut file: std::fs::File) -> Result<String, SimulateError> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .map_err(SimulateError::io("a temporary file"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
