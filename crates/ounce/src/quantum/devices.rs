//! Calibrated devices in a folder.

use crate::failure::{Failure, Result};
use clap::Args;
use ounce_quantum::device::{Device, DeviceFiles, find};
use std::path::PathBuf;

/// Where calibrations of devices lie.
#[derive(Debug, Args)]
pub(crate) struct Devices {
    /// A folder with conf_NAME.json and props_NAME.json of devices, or the site-packages in which qiskit-ibm-runtime is installed
    /// [default: the variable OUNCE_DEVICES]
    #[arg(long = "devices", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Devices {
    /// All devices in the folder.
    pub(crate) fn all(&self) -> Result<Vec<DeviceFiles>> {
        let variable =
            || std::env::var_os("OUNCE_DEVICES").filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = self.folder.clone().or_else(variable).ok_or_else(|| {
            Failure::new("no folder with calibrations of devices was given").hint(
                "give --devices DIR; `pip download --no-deps qiskit-ibm-runtime` brings those of some 60 devices, in a wheel to unzip",
            )
        })?;
        Ok(find(&folder)?)
    }

    /// The device of a name, such as `santiago`.
    pub(crate) fn named(&self, name: &str) -> Result<Device> {
        let all = self.all()?;
        let all_lower = name.to_lowercase();
        let short = ["ibmq_", "ibm_", "fake_"]
            .iter()
            .fold(all_lower.as_str(), |name, prefix| name.strip_prefix(prefix).unwrap_or(name));
        if let Some(files) = all.iter().find(|files| files.name == short) {
            return Ok(Device::read(&files.configuration, &files.properties)?);
        }
        // Some devices have another name in their files, such as ibmqx2 in those of yorktown.
        let named = all.iter().find_map(|files| {
            Device::read(&files.configuration, &files.properties).ok().filter(|device| device.name() == name)
        });
        named.ok_or_else(|| {
            let known: Vec<&str> = all.iter().map(|files| files.name.as_str()).collect();
            Failure::new(format!("there is no device {name:?}"))
                .hint(format!("there are: {}", known.join(", ")))
        })
    }
}
