"""Settings of the registry service, environment prefix `ADAL_REGISTRY_`."""

from services.kit.settings import ServiceSettings, service_config


class Settings(ServiceSettings):
    """Nothing beyond what every service has."""

    model_config = service_config("ADAL_REGISTRY_")
