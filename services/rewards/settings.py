"""Settings of the rewards service, environment prefix `ADAL_REWARDS_`."""

from services.kit.settings import ServiceSettings, service_config


class Settings(ServiceSettings):
    """Nothing beyond what every service has."""

    model_config = service_config("ADAL_REWARDS_")
