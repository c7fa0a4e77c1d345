//! Addresses and networks: `ip("10.0.0.1").family()`, `cidr("10.0.0.0/8").containsIP("10.1.2.3")`.

use std::net::IpAddr;

use cel::common::types::{CelBool, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::failed;
use crate::cel::native::{Native, named};

/// A network, with the address that it was written with.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cidr {
    address: IpAddr,
    bits: u8,
}

named! { IpAddr => "net.IP", Cidr => "net.CIDR" }

type Ip = Native<IpAddr>;
type Net = Native<Cidr>;

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(environment, fn ip: (CelString) -> Result<Ip>)?;
    add_overload!(environment, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    add_overload!(environment, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    add_overload!(environment, fn text_of_ip: (Ip) -> CelString, name = "string")?;
    add_member_overload!(environment, fn family: (Ip) -> CelInt)?;
    add_member_overload!(environment, fn is_unspecified: (Ip) -> CelBool)?;
    add_member_overload!(environment, fn is_loopback: (Ip) -> CelBool)?;
    add_member_overload!(environment, fn is_link_local_multicast: (Ip) -> CelBool)?;
    add_member_overload!(environment, fn is_link_local_unicast: (Ip) -> CelBool)?;
    add_member_overload!(environment, fn is_global_unicast: (Ip) -> CelBool)?;
    add_overload!(environment, fn cidr: (CelString) -> Result<Net>)?;
    add_overload!(environment, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    add_overload!(environment, fn text_of_cidr: (Net) -> CelString, name = "string")?;
    add_member_overload!(environment, fn contains_ip: (Net, Ip) -> CelBool, name = "containsIP")?;
    add_member_overload!(environment, fn contains_written_ip: (Net, CelString) -> Result<CelBool>, name = "containsIP")?;
    add_member_overload!(environment, fn contains_cidr: (Net, Net) -> CelBool, name = "containsCIDR")?;
    add_member_overload!(environment, fn contains_written_cidr: (Net, CelString) -> Result<CelBool>, name = "containsCIDR")?;
    add_member_overload!(environment, fn ip_of: (Net) -> Ip, name = "ip")?;
    add_member_overload!(environment, fn masked: (Net) -> Net)?;
    add_member_overload!(environment, fn prefix_length: (Net) -> CelInt)?;
    Ok(())
}

fn parsed_ip(text: &str) -> Result<IpAddr, ExecutionError> {
    let wrong =
        |why: &str| failed(format!("IP Address {text:?} parse error during conversion from string: {why}"));
    match text.parse::<IpAddr>() {
        Err(_) => Err(wrong("unable to parse IP")),
        Ok(IpAddr::V6(six)) if six.to_ipv4_mapped().is_some() => {
            Err(wrong("IPv4-mapped IPv6 address is not allowed"))
        }
        Ok(address) => Ok(address),
    }
}

fn parsed_cidr(text: &str) -> Result<Cidr, ExecutionError> {
    let wrong = || {
        failed(format!(
            "network address parse error during conversion from string: invalid CIDR address: {text}"
        ))
    };
    let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
    let canonical = !bits.starts_with('+') && (bits == "0" || !bits.starts_with('0'));
    let (address, bits): (IpAddr, u8) =
        (parsed_ip(address).map_err(|_| wrong())?, bits.parse().map_err(|_| wrong())?);
    let most = if address.is_ipv4() { 32 } else { 128 };
    if bits > most || !canonical { Err(wrong()) } else { Ok(Cidr { address, bits }) }
}

impl Cidr {
    /// The address of its network.
    fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(four) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or_default();
                IpAddr::V4((u32::from(four) & mask).into())
            }
            IpAddr::V6(six) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or_default();
                IpAddr::V6((u128::from(six) & mask).into())
            }
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Self { address, bits: self.bits }.network() == self.network()
    }
}

fn ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    parsed_ip(text.inner()).map(Native)
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    CelBool::from(parsed_ip(text.inner()).is_ok())
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    parsed_ip(text.inner()).map(|address| CelBool::from(address.to_string() == text.inner()))
}

fn text_of_ip(it: &Ip) -> CelString<'static> {
    CelString::from(it.0.to_string())
}

fn family(it: &Ip) -> CelInt {
    CelInt::from(if it.0.is_ipv4() { 4 } else { 6 })
}

fn is_unspecified(it: &Ip) -> CelBool {
    CelBool::from(it.0.is_unspecified())
}

fn is_loopback(it: &Ip) -> CelBool {
    CelBool::from(it.0.is_loopback())
}

fn link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => matches!(four.octets(), [224, 0, 0, _]),
        IpAddr::V6(six) => matches!(six.octets(), [0xff, flags, ..] if flags & 0x0f == 2),
    }
}

fn link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

fn is_link_local_multicast(it: &Ip) -> CelBool {
    CelBool::from(link_local_multicast(it.0))
}

fn is_link_local_unicast(it: &Ip) -> CelBool {
    CelBool::from(link_local_unicast(it.0))
}

/// As Go has it: also private addresses are.
fn is_global_unicast(it: &Ip) -> CelBool {
    let is_broadcast = matches!(it.0, IpAddr::V4(four) if four.is_broadcast());
    CelBool::from(
        !is_broadcast
            && !it.0.is_unspecified()
            && !it.0.is_loopback()
            && !it.0.is_multicast()
            && !link_local_unicast(it.0),
    )
}

fn cidr(text: &CelString<'_>) -> Result<Net, ExecutionError> {
    parsed_cidr(text.inner()).map(Native)
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    CelBool::from(parsed_cidr(text.inner()).is_ok())
}

fn text_of_cidr(it: &Net) -> CelString<'static> {
    CelString::from(format!("{}/{}", it.0.address, it.0.bits))
}

fn contains_ip(it: &Net, address: &Ip) -> CelBool {
    CelBool::from(it.0.contains(address.0))
}

fn contains_written_ip(it: &Net, address: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    parsed_ip(address.inner()).map(|address| CelBool::from(it.0.contains(address)))
}

fn within(it: &Cidr, other: &Cidr) -> CelBool {
    CelBool::from(other.bits >= it.bits && it.contains(other.address))
}

fn contains_cidr(it: &Net, other: &Net) -> CelBool {
    within(&it.0, &other.0)
}

fn contains_written_cidr(it: &Net, other: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    parsed_cidr(other.inner()).map(|other| within(&it.0, &other))
}

fn ip_of(it: &Net) -> Ip {
    Native(it.0.address)
}

fn masked(it: &Net) -> Net {
    Native(Cidr { address: it.0.network(), bits: it.0.bits })
}

fn prefix_length(it: &Net) -> CelInt {
    CelInt::from(i64::from(it.0.bits))
}
