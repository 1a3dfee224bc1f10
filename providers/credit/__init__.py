"""Systems that know what business customers may owe, behind `domain.ports.CreditCheck`."""
