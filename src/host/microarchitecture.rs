//! Names of microarchitectures from the numbers that processors report.

use super::field;

/// The microarchitecture of the first processor of a cpuinfo text, if known.
pub(super) fn of(cpuinfo: &str) -> Option<&'static str> {
    if let Some(implementer) = field(cpuinfo, "CPU implementer") {
        let part = hex(field(cpuinfo, "CPU part")?)?;
        return ARM.iter().find(|(i, p, _)| (*i, *p) == (implementer, part)).map(|(_, _, n)| *n);
    }
    let number = |key| field(cpuinfo, key)?.parse::<u32>().ok();
    let (family, model) = (number("cpu family")?, number("model")?);
    match field(cpuinfo, "vendor_id")? {
        "GenuineIntel" if family == 6 => intel(model, number("stepping")?),
        "AuthenticAMD" | "HygonGenuine" => amd(family, model),
        _ => None,
    }
}

/// Implementer code of an Arm processor as a vendor name.
pub(super) fn arm_vendor(code: &str) -> &str {
    match code {
        "0x41" => "ARM",
        "0x61" => "Apple",
        "0xc0" => "Ampere",
        "0x51" => "Qualcomm",
        "0x4e" => "NVIDIA",
        other => other,
    }
}

const ARM: [(&str, u32, &str); 11] = [
    ("0x41", 0xd08, "Cortex-A72"),
    ("0x41", 0xd0c, "Neoverse N1"),
    ("0x41", 0xd40, "Neoverse V1"),
    ("0x41", 0xd49, "Neoverse N2"),
    ("0x41", 0xd4f, "Neoverse V2"),
    ("0x41", 0xd83, "Neoverse V3AE"),
    ("0x41", 0xd84, "Neoverse V3"),
    ("0x41", 0xd8e, "Neoverse N3"),
    ("0xc0", 0xac3, "AmpereOne"),
    ("0xc0", 0xac4, "AmpereOne"),
    ("0x4e", 0x004, "Carmel"),
];

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn intel(model: u32, stepping: u32) -> Option<&'static str> {
    Some(match model {
        0x3c | 0x3f | 0x45 | 0x46 => "Haswell",
        0x3d | 0x47 | 0x4f | 0x56 => "Broadwell",
        0x55 => match stepping {
            0..=4 => "Skylake-SP",
            5..=9 => "Cascade Lake",
            _ => "Cooper Lake",
        },
        0x4e | 0x5e => "Skylake",
        0x8e | 0x9e => "Kaby Lake",
        0xa5 | 0xa6 => "Comet Lake",
        0x6a | 0x6c => "Ice Lake-SP",
        0x7d | 0x7e => "Ice Lake",
        0x8c | 0x8d => "Tiger Lake",
        0xa7 => "Rocket Lake",
        0x97 | 0x9a => "Alder Lake",
        0xb7 | 0xba | 0xbf => "Raptor Lake",
        0xaa | 0xac => "Meteor Lake",
        0xc5 | 0xc6 => "Arrow Lake",
        0xbd => "Lunar Lake",
        0x8f => "Sapphire Rapids",
        0xcf => "Emerald Rapids",
        0xad | 0xae => "Granite Rapids",
        0xaf => "Sierra Forest",
        _ => return None,
    })
}

fn amd(family: u32, model: u32) -> Option<&'static str> {
    Some(match (family, model) {
        (0x17, 0x08 | 0x18) => "Zen+",
        (0x17, 0x00..=0x2f) | (0x18, _) => "Zen",
        (0x17, _) => "Zen 2",
        (0x19, 0x10..=0x1f | 0x60..=0x7f) => "Zen 4",
        (0x19, 0xa0..=0xaf) => "Zen 4c",
        (0x19, _) => "Zen 3",
        (0x1a, 0x10..=0x1f) => "Zen 5c",
        (0x1a, 0x00..=0x4f | 0x60..=0x7f) => "Zen 5",
        _ => return None,
    })
}
