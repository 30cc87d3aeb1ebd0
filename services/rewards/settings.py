"""Settings of the rewards service, environment prefix `ADAL_REWARDS_`."""

from services.kit.settings import ConsumerSettings, service_config


class Settings(ConsumerSettings):
    """What every consumer of outcomes has, and nothing beyond."""

    model_config = service_config("ADAL_REWARDS_")
